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
    SELECT *, tweets / n AS share FROM counted
)
SELECT
    serving_version, label, tweets, share, wilson(share, n).low AS low, wilson(share, n).high AS high
FROM shared
ORDER BY serving_version, tweets DESC, label;
