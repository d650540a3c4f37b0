-- name: recounted_shares_over_time
-- question: What would the shares of the labels be from month to month without the suspicious words?
-- unit: one month (UTC) and label; tweets in counts, shares from 0 to 1, differences (without minus with) from -1 to 1
-- caveat: of the tweets with a time that the recount's serving version had classified by then, as they were then; a recount made before months were kept has no rows; the interval is only of drawing tweets, and has no width where all that hold a word were recounted
-- param: recount = NULL -- its id in the view recounts; NULL: the latest
-- columns: month, serving_version, label, tweets, share, share_without, difference, difference_low, difference_high
WITH chosen AS (
    SELECT * FROM recounts
    WHERE recount = coalesce(CAST($recount AS VARCHAR), recount) ORDER BY computed_at DESC, recount LIMIT 1
),
counted AS (SELECT unnest(months, recursive := true) FROM chosen WHERE tweets > 0),
sizes AS (SELECT month, sum(tweets) AS size FROM counted GROUP BY month),
moves AS (  -- a month is a domain of the draw: a tweet of another one counts as 0
    SELECT t.month, label, count(*) FILTER (sign = 1) AS gained, count(*) FILTER (sign = -1) AS lost
    FROM (
        SELECT month, unnest([label, label_without]) AS label, unnest([-1, 1]) AS sign
        FROM recounted SEMI JOIN chosen USING (recount)
        WHERE label <> label_without
    ) AS t
    GROUP BY t.month, label
),
estimated AS (
    SELECT
        s.month, serving_version, one.label, coalesce(n.tweets, 0) AS tweets, coalesce(n.tweets, 0) / size AS share,
        holders / size * (coalesce(gained, 0) - coalesce(lost, 0)) / c.tweets AS change,
        1.96 * holders / size * drawn_error(coalesce(gained, 0), coalesce(lost, 0), c.tweets, holders) AS margin
    FROM (SELECT *, unnest(frame) AS one FROM chosen) AS c, sizes AS s
    LEFT JOIN counted AS n ON n.month = s.month AND n.label = one.label
    LEFT JOIN moves AS m ON m.month = s.month AND m.label = one.label
)
SELECT
    month, serving_version, label, tweets, share, as_share(share + change) AS share_without, change AS difference,
    change - margin AS difference_low, change + margin AS difference_high
FROM estimated
ORDER BY month, label;
