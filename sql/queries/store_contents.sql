-- name: store_contents
-- question: How much does the store hold, and of what time?
-- unit: the store; tweets in counts, times in UTC
-- caveat: undated tweets are in no month; classified and abstained count a tweet once, as classified last; explained means every label explained
-- columns: tweets, authors, first_tweet_at, last_tweet_at, undated, classified, abstained, last_classified_at, refused_rows, explained, last_explained_at
WITH seen AS (
    SELECT count(*) AS tweets, count(DISTINCT author) AS authors, min(created_at) AS first_at, max(created_at) AS last_at,
        count(*) FILTER (created_at IS NULL) AS undated
    FROM tweets
),
labelled AS (
    SELECT count(*) AS tweets, count(*) FILTER (abstained) AS abstained, max(classified_at) AS last_at
    FROM current_predictions
),
refused AS (
    SELECT count(*) AS n FROM rejects
),
explained AS (
    SELECT count(DISTINCT tweet_id) AS tweets, max(computed_at) AS last_at FROM complete_explanations
)
SELECT
    s.tweets, s.authors, s.first_at AS first_tweet_at, s.last_at AS last_tweet_at, s.undated,
    l.tweets AS classified, l.abstained, l.last_at AS last_classified_at,
    r.n AS refused_rows, e.tweets AS explained, e.last_at AS last_explained_at
FROM seen AS s, labelled AS l, refused AS r, explained AS e
WHERE s.tweets + l.tweets + r.n + e.tweets > 0;
