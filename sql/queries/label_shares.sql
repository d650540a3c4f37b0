-- name: label_shares
-- question: How are the tweets spread over the labels?
-- unit: one serving version and label; tweets in counts, shares from 0 to 1
-- caveat: the interval is Wilson's 95 % for tweets drawn alike; it says nothing of the classifier's errors
-- columns: serving_version, label, tweets, share, low, high
WITH pairs AS (
    SELECT serving_version, label FROM predictions
    UNION
    SELECT serving_version, unnest(labels) AS label FROM models SEMI JOIN predictions USING (serving_version)
),
counted AS (
    SELECT
        serving_version, label, count(p.tweet_id) AS tweets,
        CAST(sum(count(p.tweet_id)) OVER (PARTITION BY serving_version) AS DOUBLE) AS n
    FROM pairs LEFT JOIN predictions AS p USING (serving_version, label)
    GROUP BY serving_version, label
),
shared AS (
    SELECT *, tweets / n AS share, 1.96 * 1.96 AS zz FROM counted
)
SELECT
    serving_version, label, tweets, share,
    greatest(0, (share + zz / (2 * n) - sqrt(zz * (share * (1 - share) / n + zz / (4 * n * n)))) / (1 + zz / n)) AS low,
    least(1, (share + zz / (2 * n) + sqrt(zz * (share * (1 - share) / n + zz / (4 * n * n)))) / (1 + zz / n)) AS high
FROM shared
ORDER BY serving_version, tweets DESC, label;
