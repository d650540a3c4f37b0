-- name: corrected_shares
-- question: What are the shares of the labels, corrected by tweets that were labelled by hand?
-- unit: one serving version and label; shares from 0 to 1, corrected with its 95 % interval; coded tweets in counts
-- caveat: right on average whatever the model's errors are, if the coded tweets are a random sample of the stream, as tweets_to_code draws them; a stream that has grown since has to be sampled again; a few coded tweets say little, and what they carry past 0 or 1 is shown as 0 or 1
-- columns: serving_version, label, tweets, share, corrected, corrected_low, corrected_high, coded, coded_so, predicted_so
WITH pairs AS (
    SELECT p.serving_version, p.label AS predicted, c.label AS truth FROM predictions AS p JOIN coded AS c USING (tweet_id)
),
sizes AS (
    SELECT serving_version, count(*) AS size FROM predictions SEMI JOIN pairs USING (serving_version) GROUP BY serving_version
),
labels AS (
    SELECT serving_version, predicted AS label FROM pairs
    UNION SELECT serving_version, truth FROM pairs
    UNION SELECT serving_version, unnest(labels) FROM models SEMI JOIN pairs USING (serving_version)
),
counted AS (
    SELECT l.serving_version, l.label, count(p.tweet_id) AS tweets
    FROM labels AS l LEFT JOIN predictions AS p USING (serving_version, label) GROUP BY l.serving_version, l.label
),
compared AS (
    SELECT
        l.serving_version, l.label, count(*) AS coded,
        count(*) FILTER (truth = l.label) AS coded_so, count(*) FILTER (predicted = l.label) AS predicted_so,
        count(*) FILTER (truth = l.label AND predicted <> l.label) AS missed,
        count(*) FILTER (truth <> l.label AND predicted = l.label) AS wrong
    FROM labels AS l JOIN pairs USING (serving_version) GROUP BY l.serving_version, l.label
)
-- The difference estimator: the share over all, plus the mean error in the sample, whose error is that of a mean
-- (Cassel, Särndal and Wretman 1976; "prediction-powered", Angelopoulos et al. 2023). Few tweets can carry it past 0 or 1.
SELECT
    serving_version, label, tweets, tweets / size AS share, as_share(found) AS corrected,
    as_share(found - margin) AS corrected_low, as_share(found + margin) AS corrected_high, coded, coded_so, predicted_so
FROM (
    SELECT
        *, tweets / size + (missed - wrong) / coded AS found, 1.96 * drawn_error(missed, wrong, coded, size) AS margin
    FROM counted JOIN compared USING (serving_version, label) JOIN sizes USING (serving_version)
)
ORDER BY serving_version, tweets DESC, label;
