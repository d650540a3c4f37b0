-- What estimates are made from, without its words: from rows of the index of the parts, all of them or some.
-- Nearly every tweet was explained once, all labels in one batch: no need to look for the latest of each label, which sorts.
CREATE MACRO sampled_tweets_of(index_rows, explanation_rows, design_rows) AS TABLE
WITH tweets AS MATERIALIZED (
    SELECT
        e.tweet_id, e.model_version, e.method, e.baseline, max(e.text_hash) AS text_hash, max(e.batch) AS batch,
        bool_and(e.finite) AS finite, bit_xor(e.mark) AS mark,
        sum(e.explanations) = any_value(len(m.labels)) AND bit_count(bit_or(e.targets)) = any_value(len(m.labels)) AS once
    FROM query_table(index_rows) AS e JOIN model_labels AS m USING (model_version)
    GROUP BY e.tweet_id, e.model_version, e.method, e.baseline
),
again AS (  -- the rule of the view explanations, which would sort all rows
    SELECT e.*
    FROM query_table(explanation_rows) AS e
    SEMI JOIN (FROM tweets WHERE NOT once) USING (tweet_id, model_version, method, baseline)
    QUALIFY row_number() OVER (
        PARTITION BY tweet_id, model_version, target, method, baseline ORDER BY computed_at DESC NULLS LAST, batch
    ) = 1
),
complete AS (
    SELECT tweet_id, model_version, method, baseline, text_hash, batch, mark FROM tweets WHERE once AND finite
    UNION ALL
    SELECT
        e.tweet_id, e.model_version, e.method, e.baseline, max(e.text_hash), max(e.batch),
        bit_xor(hash(e.target, e.batch, e.computed_at))
    FROM again AS e JOIN model_labels AS m USING (model_version)
    WHERE isfinite(e.delta) AND list_contains(m.labels, e.target)
    GROUP BY e.tweet_id, e.model_version, e.method, e.baseline
    HAVING count(*) = any_value(len(m.labels))
),
included AS (  -- as the view inclusion, of these designs, and without a look at all draws
    SELECT d.model_version, d.method, d.baseline, w.tweet_id, max(w.pi) AS pi
    FROM (FROM draws_parts SEMI JOIN query_table(index_rows) USING (tweet_id)) AS w
    JOIN query_table(design_rows) AS d USING (design_id)
    GROUP BY d.model_version, d.method, d.baseline, w.tweet_id
)
SELECT
    e.tweet_id, e.model_version, e.method, e.baseline, e.text_hash, i.pi, e.batch, hash(e.tweet_id, e.mark, i.pi) AS mark
FROM complete AS e JOIN included AS i USING (model_version, method, baseline, tweet_id);

-- A text that forty people share is one observation, not forty: it has one score, which all forty weigh.
CREATE MACRO sampled_texts_of(index_rows, explanation_rows, design_rows) AS TABLE
SELECT
    model_version, method, baseline, text_key(text_hash, tweet_id) AS text,
    arg_min(tweet_id, batch || ' ' || tweet_id) AS tweet_id, count(*) AS tweets,
    sum(1 / pi) AS w, sum((1 - pi) / pi ** 2) AS v, min(batch) AS batch, bit_xor(mark) AS mark
FROM sampled_tweets_of(index_rows, explanation_rows, design_rows)
GROUP BY model_version, method, baseline, text_key(text_hash, tweet_id);

CREATE VIEW sampled_tweets AS FROM sampled_tweets_of('explanation_index', 'explanations_parts', 'counted_designs');
COMMENT ON VIEW sampled_tweets IS
    'one row per sampled tweet, model, method and baseline where every label of the model was explained by scores that are numbers, converged or not';
COMMENT ON COLUMN sampled_tweets.text_hash IS 'of the text that was explained';
COMMENT ON COLUMN sampled_tweets.pi IS 'probability that any of counted_designs draws the tweet, 0 to 1; its weight is 1 / pi';
COMMENT ON COLUMN sampled_tweets.batch IS 'the last request batch that explained it';
COMMENT ON COLUMN sampled_tweets.mark IS 'changes when the tweet is explained anew, or its probability';
