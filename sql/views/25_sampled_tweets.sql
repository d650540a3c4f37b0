-- What estimates are made from, without its words: so little that all of it can be looked at in each refresh.
CREATE VIEW sampled_tweets AS
SELECT
    e.tweet_id, e.model_version, e.method, e.baseline, any_value(i.pi) AS pi, max(e.batch) AS batch,
    list(DISTINCT e.batch) AS batches, bit_xor(hash(e.tweet_id, e.target, e.batch, e.computed_at)) AS mark
FROM explanations AS e
JOIN model_labels AS m USING (model_version)
JOIN inclusion AS i USING (model_version, method, baseline, tweet_id)
WHERE e.converged AND list_contains(m.labels, e.target)
GROUP BY e.tweet_id, e.model_version, e.method, e.baseline
HAVING count(*) = any_value(len(m.labels));
COMMENT ON VIEW sampled_tweets IS
    'one row a sampled tweet, model, method and baseline where every label of the model was explained and converged';
COMMENT ON COLUMN sampled_tweets.batch IS 'the last request batch that explained it';
COMMENT ON COLUMN sampled_tweets.mark IS 'changes when the tweet is explained anew';
