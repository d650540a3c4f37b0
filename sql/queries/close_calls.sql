-- name: close_calls
-- question: Where two labels are close, which words tip the tweet to the one and which to the other?
-- unit: one label, runner-up and word; mean push in logits towards the label and away from the runner-up
-- caveat: of sampled tweets whose lead is at most max_lead, copies of one text once; counts of the sample, not weighted for the corpus
-- param: max_lead = 1.0 -- logits between label and runner-up
-- param: min_tweets = 3 -- fewest such tweets with the word
-- param: top = 10 -- words for each pair of labels and direction; NULL: all
-- columns: label, runner_up, word, kind, tweets, mean_push
SELECT label, runner_up, word, word_kind(word) AS kind, count(*) AS tweets, avg(push) AS mean_push
FROM current_word_pushes
SEMI JOIN (SELECT tweet_id FROM sampled_texts SEMI JOIN last_explained USING (model_version, method, baseline)) AS s
    USING (tweet_id)
WHERE lead <= coalesce(CAST($max_lead AS DOUBLE), 'infinity')
GROUP BY label, runner_up, word
HAVING count(*) >= coalesce(CAST($min_tweets AS BIGINT), 1)
QUALIFY CAST($top AS BIGINT) IS NULL OR row_number() OVER (
    PARTITION BY label, runner_up, avg(push) > 0 ORDER BY round(abs(avg(push)), 9) DESC, word
) <= CAST($top AS BIGINT)
ORDER BY label, runner_up, mean_push DESC, word;
