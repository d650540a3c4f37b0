-- name: bias_diff
-- question: Which words does one model rely on more than another, for the same label?
-- unit: one word and label; reliance in standard deviations of each model's centred scores, so that scales compare
-- caveat: words are compared over the tweets each model was explained on, which may differ; from the same method and baseline where both have it
-- param: model = NULL -- model version; NULL: the one explained last
-- param: other = NULL -- the model version to compare with; NULL: the one explained before it
-- param: min_tweets = 5 -- fewest sampled tweets with the word, in both
-- param: top = 50 -- rows; NULL: all
-- columns: word, kind, label, model, other, tweets, other_tweets, reliance, other_reliance, difference, low, high
WITH one AS (
    SELECT model_version, method, baseline FROM explained
    WHERE model_version = coalesce(CAST($model AS VARCHAR), model_version) ORDER BY place LIMIT 1
),
others AS (
    SELECT
        e.*, min(e.place) OVER (PARTITION BY e.model_version) AS model_place,
        bool_or(e.sampled) OVER (PARTITION BY e.model_version) AS model_sampled
    FROM explained AS e, one
    WHERE CASE WHEN CAST($other AS VARCHAR) IS NULL THEN e.model_version <> one.model_version
        ELSE e.model_version = CAST($other AS VARCHAR) END
),
other AS (  -- the model first; which of its methods is compared comes second
    SELECT o.model_version, o.method, o.baseline FROM others AS o, one
    ORDER BY
        NOT model_sampled, model_place, NOT sampled, (o.method, o.baseline) <> (one.method, one.baseline), place
    LIMIT 1
),
spread AS (
    SELECT model_version, method, baseline, sqrt(sum(wxx) / sum(w)) AS unit
    FROM word_label_sums GROUP BY model_version, method, baseline
),
standard AS (
    SELECT
        r.model_version, r.method, r.baseline, r.word, r.kind, r.label, r.tweets,
        r.mean_score / s.unit AS reliance, r.se_tweet / s.unit AS se, r.df
    FROM word_label_reliance AS r JOIN spread AS s USING (model_version, method, baseline)
    WHERE r.tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
),
compared AS (
    SELECT
        a.word, a.kind, a.label, a.model_version AS model, b.model_version AS other, a.tweets, b.tweets AS other_tweets,
        a.reliance, b.reliance AS other_reliance, a.reliance - b.reliance AS difference,
        sqrt(a.se ** 2 + b.se ** 2) AS se,
        -- Welch's degrees of freedom
        (a.se ** 2 + b.se ** 2) ** 2
            / nullif(a.se ** 4 / a.df + b.se ** 4 / b.df, 0) AS df
    FROM (SELECT * FROM standard SEMI JOIN one USING (model_version, method, baseline)) AS a
    JOIN (SELECT * FROM standard SEMI JOIN other USING (model_version, method, baseline)) AS b USING (word, label)
)
SELECT
    word, kind, label, model, other, tweets, other_tweets, reliance, other_reliance, difference,
    difference - student_975(df) * se AS low, difference + student_975(df) * se AS high
FROM compared
ORDER BY round(abs(difference), 9) DESC, word, label
LIMIT CAST($top AS BIGINT);
