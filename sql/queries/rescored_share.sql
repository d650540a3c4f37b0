-- name: rescored_share
-- question: How many tweets were close enough to be classified again in full precision?
-- unit: one serving version; tweets in counts, share from 0 to 1
-- caveat: none is expected for a serving version that is in full precision already
-- columns: serving_version, tweets, rescored, share
SELECT
    serving_version, count(*) AS tweets, count(*) FILTER (rescored) AS rescored,
    count(*) FILTER (rescored) / count(*) AS share
FROM predictions
GROUP BY serving_version
ORDER BY serving_version;
