-- name: bias_diff
-- question: Which words does one model rely on more than another, for the same label?
-- unit: one word and label; reliance in standard deviations of each model's centred scores, so that scales compare
-- caveat: words are compared over the tweets each model was explained on, which may differ
-- param: model = NULL -- model version; NULL: the one explained last
-- param: other = NULL -- the model version to compare with; NULL: the one explained before it
-- param: min_tweets = 5 -- fewest sampled tweets with the word, in both
-- param: top = 50 -- rows; NULL: all
-- columns: word, kind, label, model, other, tweets, other_tweets, reliance, other_reliance, difference, low, high
WITH explained AS (
    SELECT model_version, max(computed_at) AS computed_at FROM explanations WHERE converged GROUP BY model_version
),
chosen AS (
    SELECT
        coalesce(CAST($model AS VARCHAR), (
            SELECT model_version FROM explained ORDER BY computed_at DESC, model_version LIMIT 1
        )) AS model,
        coalesce(CAST($other AS VARCHAR), (
            SELECT model_version FROM explained
            WHERE model_version <> coalesce(CAST($model AS VARCHAR), (
                SELECT model_version FROM explained ORDER BY computed_at DESC, model_version LIMIT 1
            ))
            ORDER BY computed_at DESC, model_version LIMIT 1
        )) AS other
),
spread AS (
    SELECT model_version, sqrt(sum(w2xx) / sum(w2)) AS unit FROM word_label_sums GROUP BY model_version
),
standard AS (
    SELECT
        r.model_version, r.word, r.kind, r.label, r.tweets, r.mean_score / s.unit AS reliance, r.se_tweet / s.unit AS se
    FROM word_label_reliance AS r JOIN spread AS s USING (model_version)
    WHERE r.tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
)
SELECT
    a.word, a.kind, a.label, c.model, c.other, a.tweets, b.tweets AS other_tweets,
    a.reliance, b.reliance AS other_reliance, a.reliance - b.reliance AS difference,
    a.reliance - b.reliance - 1.96 * sqrt(a.se ** 2 + b.se ** 2) AS low,
    a.reliance - b.reliance + 1.96 * sqrt(a.se ** 2 + b.se ** 2) AS high
FROM chosen AS c
JOIN standard AS a ON a.model_version = c.model
JOIN standard AS b ON b.model_version = c.other AND b.word = a.word AND b.label = a.label
ORDER BY abs(difference) DESC, a.word, a.label
LIMIT CAST($top AS BIGINT);
