-- name: retweet_shares
-- question: Do retweets carry other labels than the tweets that people write themselves?
-- unit: one serving version, origin (retweet or original) and label; share of the origin's tweets, 0 to 1, with its 95 % interval (Wilson)
-- caveat: a retweet is a text that begins with RT and an account; the interval takes tweets as independent, which copies of one text are not; where training had no retweets, a difference may be what their head does to the model (see stream_words)
-- columns: serving_version, origin, label, tweets, share, low, high
WITH labelled AS (
    SELECT
        p.serving_version, CASE WHEN regexp_matches(t.text, '^\s*RT @') THEN 'retweet' ELSE 'original' END AS origin, p.label
    FROM predictions AS p JOIN tweets AS t USING (tweet_id)
),
sizes AS (SELECT serving_version, origin, count(*) AS n FROM labelled GROUP BY serving_version, origin),
counted AS (
    SELECT s.serving_version, s.origin, l.label, any_value(s.n) AS n, count(m.label) AS tweets
    FROM sizes AS s JOIN (SELECT DISTINCT serving_version, label FROM labelled) AS l USING (serving_version)
    LEFT JOIN labelled AS m
        ON m.serving_version = s.serving_version AND m.origin = s.origin AND m.label = l.label
    GROUP BY s.serving_version, s.origin, l.label
)
SELECT
    serving_version, origin, label, tweets, tweets / n AS share, wilson(share, n).low AS low, wilson(share, n).high AS high
FROM counted
ORDER BY serving_version, label, origin;
