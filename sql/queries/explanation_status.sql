-- name: explanation_status
-- question: How many of the requested explanations are done, failed or still waiting?
-- unit: one model, method and baseline; counts of tweet x target
-- caveat: a tweet asked for twice counts once; failed means failed and not explained since
-- columns: model_version, method, baseline, requests, explained, failed, waiting
WITH asked AS (
    SELECT DISTINCT batch, tweet_id, model_version, method, baseline, unnest(targets) AS target FROM requests
),
known AS (
    SELECT
        a.tweet_id, a.model_version, a.method, a.baseline, a.target,
        bool_or(e.tweet_id IS NOT NULL) AS explained, bool_and(f.tweet_id IS NOT NULL) AS failed
    FROM asked AS a
    LEFT JOIN explanations AS e USING (tweet_id, model_version, method, baseline, target)
    LEFT JOIN failures AS f
        ON f.batch = a.batch AND f.tweet_id = a.tweet_id AND f.model_version = a.model_version
    GROUP BY ALL
)
SELECT
    model_version, method, baseline, count(*) AS requests,
    count(*) FILTER (explained) AS explained,
    count(*) FILTER (failed AND NOT explained) AS failed,
    count(*) FILTER (NOT failed AND NOT explained) AS waiting
FROM known
GROUP BY model_version, method, baseline
ORDER BY model_version, method, baseline;
