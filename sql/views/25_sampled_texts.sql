-- What estimates are made from, without its words: so little that all of it can be looked at in each refresh.
CREATE VIEW sampled_tweets AS
SELECT
    e.tweet_id, e.model_version, e.method, e.baseline, any_value(e.text_hash) AS text_hash, any_value(i.pi) AS pi,
    max(e.batch) AS batch, list(DISTINCT e.batch) AS batches,
    bit_xor(hash(e.tweet_id, e.target, e.batch, e.computed_at, i.pi)) AS mark
FROM explanations AS e
JOIN model_labels AS m USING (model_version)
JOIN inclusion AS i USING (model_version, method, baseline, tweet_id)
WHERE e.converged AND list_contains(m.labels, e.target)
GROUP BY e.tweet_id, e.model_version, e.method, e.baseline
HAVING count(*) = any_value(len(m.labels));
COMMENT ON VIEW sampled_tweets IS
    'one row a sampled tweet, model, method and baseline where every label of the model was explained and converged';
COMMENT ON COLUMN sampled_tweets.text_hash IS 'of the text that was explained';
COMMENT ON COLUMN sampled_tweets.batch IS 'the last request batch that explained it';
COMMENT ON COLUMN sampled_tweets.mark IS 'changes when the tweet is explained anew, or its probability';

-- A text that forty people share is one observation, not forty: it has one score, which all forty weigh.
CREATE VIEW sampled_texts AS
SELECT
    model_version, method, baseline, first(tweet_id ORDER BY batch, tweet_id) AS tweet_id, count(*) AS tweets,
    sum(1 / pi) AS w, sum((1 - pi) / pi ** 2) AS v,
    first(batch ORDER BY batch, tweet_id) AS batch, first(batches ORDER BY batch, tweet_id) AS batches, bit_xor(mark) AS mark
FROM sampled_tweets
GROUP BY model_version, method, baseline, coalesce(text_hash, 'tweet ' || tweet_id);
COMMENT ON VIEW sampled_texts IS 'one row a model, method, baseline and text of sampled_tweets: copies of a text are one observation';
COMMENT ON COLUMN sampled_texts.tweet_id IS 'the first of its tweets that was explained: what stands for them all';
COMMENT ON COLUMN sampled_texts.tweets IS 'sampled tweets with the text';
COMMENT ON COLUMN sampled_texts.w IS 'sum of 1 / pi over them: estimated tweets of the corpus with the text';
COMMENT ON COLUMN sampled_texts.v IS 'sum of (1 - pi) / pi^2 over them: the variance of w under Poisson sampling';
COMMENT ON COLUMN sampled_texts.mark IS 'changes with anything that it is made from';
