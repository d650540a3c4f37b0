-- name: label_share_drift
-- question: How far have the shares of the labels moved between two classify runs?
-- unit: one label; tweets in counts, shares and their difference (after minus before) from -1 to 1
-- caveat: a tweet counts in the run that classified it last; another serving version can move shares by itself; intervals take tweets as independent, and each label alone
-- param: before = NULL -- run_id; NULL: the last run that classified tweets before `after`
-- param: after = NULL -- run_id; NULL: the latest run that classified tweets
-- columns: label, serving_version_before, serving_version_after, tweets_before, tweets_after, share_before, share_after, difference, low, high
WITH by_time AS (
    SELECT run_id, row_number() OVER (ORDER BY max(classified_at), run_id) AS place FROM predictions GROUP BY run_id
),
chosen AS (
    SELECT a.run_id AS run_after, b.run_id AS run_before
    FROM by_time AS a JOIN by_time AS b
        ON b.place < a.place OR (CAST($before AS VARCHAR) IS NOT NULL AND CAST($after AS VARCHAR) IS NOT NULL)
    WHERE (CAST($after AS VARCHAR) IS NULL OR a.run_id = CAST($after AS VARCHAR))
        AND (CAST($before AS VARCHAR) IS NULL OR b.run_id = CAST($before AS VARCHAR))
    ORDER BY a.place DESC, b.place DESC LIMIT 1
),
mine AS (
    SELECT p.run_id = run_after AS is_after, p.label, p.serving_version
    FROM predictions AS p, chosen
    WHERE p.run_id IN (run_before, run_after) AND run_before <> run_after
),
sizes AS (
    SELECT
        count(*) FILTER (NOT is_after) AS n_before, count(*) FILTER (is_after) AS n_after,
        min(serving_version) FILTER (NOT is_after) AS serving_version_before,
        min(serving_version) FILTER (is_after) AS serving_version_after
    FROM mine
),
labels AS (
    SELECT label FROM mine
    UNION
    SELECT unnest(labels) AS label FROM models SEMI JOIN mine USING (serving_version)
),
counted AS (
    SELECT
        label, any_value(sizes) AS s,
        count(*) FILTER (NOT is_after) AS tweets_before, count(*) FILTER (is_after) AS tweets_after
    FROM labels LEFT JOIN mine USING (label), sizes
    WHERE n_before > 0 AND n_after > 0
    GROUP BY label
),
shared AS (
    SELECT
        *, tweets_before / s.n_before AS share_before, tweets_after / s.n_after AS share_after,
        wilson(tweets_before / s.n_before, CAST(s.n_before AS DOUBLE)) AS w_before,
        wilson(tweets_after / s.n_after, CAST(s.n_after AS DOUBLE)) AS w_after
    FROM counted
)
SELECT
    label, s.serving_version_before AS serving_version_before, s.serving_version_after AS serving_version_after,
    tweets_before, tweets_after, share_before, share_after, share_after - share_before AS difference,
    shares_apart(share_after, w_after, share_before, w_before).low AS low,
    shares_apart(share_after, w_after, share_before, w_before).high AS high
FROM shared
ORDER BY round(abs(difference), 9) DESC, label;
