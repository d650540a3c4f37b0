-- name: label_shares_over_time
-- question: How do the shares of the labels move from month to month?
-- unit: one month (UTC), serving version and label; share from 0 to 1, with its 95 % interval (Wilson)
-- caveat: tweets without a time are left out; the interval takes tweets as independent, which one author's are not, and says nothing of the classifier's errors
-- param: label = NULL -- only this label; NULL: every label
-- columns: month, serving_version, label, tweets, share, low, high
WITH months AS (
    SELECT CAST(date_trunc('month', t.created_at) AS DATE) AS month, p.serving_version, p.label
    FROM predictions AS p JOIN tweets AS t USING (tweet_id)
    WHERE t.created_at IS NOT NULL
),
sizes AS (SELECT month, serving_version, count(*) AS n FROM months GROUP BY month, serving_version),
labels AS (  -- those that nothing was given, too: a month without one is a share of 0, not a gap
    SELECT serving_version, label FROM months
    UNION
    SELECT serving_version, unnest(labels) AS label FROM models SEMI JOIN months USING (serving_version)
),
counted AS (
    SELECT s.month, s.serving_version, l.label, count(m.label) AS tweets, any_value(s.n) AS n
    FROM sizes AS s JOIN labels AS l USING (serving_version)
    LEFT JOIN months AS m ON m.month = s.month AND m.serving_version = s.serving_version AND m.label = l.label
    GROUP BY s.month, s.serving_version, l.label
)
SELECT
    month, serving_version, label, tweets, tweets / n AS share, wilson(share, n).low AS low, wilson(share, n).high AS high
FROM counted
WHERE CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR)
ORDER BY month, serving_version, label;
