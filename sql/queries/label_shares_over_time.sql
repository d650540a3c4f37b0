-- name: label_shares_over_time
-- question: How do the shares of the labels move from month to month?
-- unit: one month (UTC), serving version and label; share from 0 to 1, with its 95 % interval (Wilson)
-- caveat: tweets without a time are left out; the interval takes tweets as independent, which one author's are not
-- param: label = NULL -- only this label; NULL: every label
-- columns: month, serving_version, label, tweets, share, low, high
WITH counted AS (
    SELECT
        CAST(date_trunc('month', t.created_at) AS DATE) AS month, p.serving_version, p.label, count(*) AS tweets,
        CAST(sum(count(*)) OVER (PARTITION BY month, p.serving_version) AS BIGINT) AS n
    FROM predictions AS p JOIN tweets AS t USING (tweet_id)
    WHERE t.created_at IS NOT NULL
    GROUP BY month, p.serving_version, p.label
)
SELECT
    month, serving_version, label, tweets, tweets / n AS share, wilson(share, n).low AS low, wilson(share, n).high AS high
FROM counted
WHERE CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR)
ORDER BY month, serving_version, label;
