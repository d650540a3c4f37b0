-- name: incomplete_explanations
-- question: Which explanations do not add up to the logit they explain?
-- unit: one explanation; delta in logits, relative_error as a share of the logit's change
-- caveat: they count in the other answers on words, whose intervals are wider by what they miss; those whose delta is no number are left out with their tweet
-- param: top = 100 -- rows, worst first; NULL: all
-- columns: tweet_id, model_version, target, method, baseline, steps, delta, relative_error, computed_at
SELECT tweet_id, model_version, target, method, baseline, steps, delta, relative_error, computed_at
FROM explanations
WHERE converged IS NOT TRUE
QUALIFY CAST($top AS BIGINT) IS NULL
    OR row_number() OVER (ORDER BY relative_error DESC, tweet_id, target) <= CAST($top AS BIGINT)
ORDER BY relative_error DESC, tweet_id, target;
