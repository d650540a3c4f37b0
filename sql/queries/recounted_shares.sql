-- name: recounted_shares
-- question: What would the shares of the labels be without the suspicious words?
-- unit: one label; tweets in counts (lost and gained estimated), shares from 0 to 1, differences (without minus with) from -1 to 1
-- caveat: a tweet without a word can be clumsy French: others_difference is what as many control words taken out of the same tweets do; the interval is only of drawing tweets, and has no width where all that hold a word were recounted
-- param: recount = NULL -- its id in the view recounts; NULL: the latest
-- columns: serving_version, label, tweets, share, share_without, difference, difference_low, difference_high, others_difference, lost, gained
WITH chosen AS (
    SELECT recount, serving_version, frame, holders, tweets AS n FROM recounts
    WHERE recount = coalesce(CAST($recount AS VARCHAR), recount) ORDER BY computed_at DESC, recount LIMIT 1
),
labels AS (
    SELECT recount, serving_version, holders, n, one.label AS label, one.tweets AS tweets
    FROM (SELECT * EXCLUDE (frame), unnest(frame) AS one FROM chosen)
),
changes AS (
    SELECT
        l.label, any_value(serving_version) AS serving_version, any_value(l.tweets) AS tweets, any_value(holders) AS holders, any_value(n) AS n,
        count(*) FILTER (r.label = l.label AND label_without <> l.label) AS lost,
        count(*) FILTER (r.label <> l.label AND label_without = l.label) AS gained,
        count(*) FILTER (r.label <> l.label AND label_without_others = l.label)
            - count(*) FILTER (r.label = l.label AND label_without_others <> l.label) AS moved_by_others,
        CASE WHEN bool_or(len(others) > 0) THEN moved_by_others END AS others
    FROM labels AS l JOIN recounted AS r USING (recount)
    GROUP BY l.label
),
estimated AS (
    SELECT
        serving_version, label, tweets, tweets / sum(tweets) OVER () AS share,
        holders / sum(tweets) OVER () AS held, (gained - lost) / n AS mean,
        1.96 * drawn_error(gained, lost, n, holders) AS margin,
        others / n AS others, CAST(round(lost * holders / n) AS BIGINT) AS lost, CAST(round(gained * holders / n) AS BIGINT) AS gained
    FROM changes
)
SELECT
    serving_version, label, tweets, share, as_share(share + held * mean) AS share_without, held * mean AS difference,
    difference - held * margin AS difference_low, difference + held * margin AS difference_high,
    held * others AS others_difference, lost, gained
FROM estimated
ORDER BY tweets DESC, label;
