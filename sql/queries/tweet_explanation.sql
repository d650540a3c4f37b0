-- name: tweet_explanation
-- question: What pushes one tweet towards each label, word by word?
-- unit: one label of the tweet; logit and scores in logits of that label, signed, not centred
-- caveat: as the model explained last says, converged or not; text is null for a free text, and for a tweet seen no more
-- param: tweet_id = NULL -- the tweet
-- columns: tweet_id, model_version, target, label, logit, relative_error, converged, words, text, labels, temperature
WITH found AS (
    SELECT * FROM explanations WHERE tweet_id = CAST($tweet_id AS VARCHAR)
),
latest AS (
    SELECT model_version, method, baseline FROM found
    ORDER BY computed_at DESC NULLS LAST, model_version, method, baseline
    LIMIT 1
),
described AS (
    SELECT
        model_version, arg_max(labels, seen_at) AS labels,
        arg_max(TRY_CAST(json_extract_string(manifest, '$.temperature') AS DOUBLE), seen_at) AS temperature
    FROM models
    GROUP BY model_version
)
SELECT
    f.tweet_id, f.model_version, f.target, f.label, f.logit, f.relative_error, f.converged, f.words, t.text,
    d.labels, coalesce(d.temperature, 1) AS temperature
FROM found AS f
SEMI JOIN latest AS l
    ON l.model_version = f.model_version AND l.method = f.method AND l.baseline = f.baseline
LEFT JOIN described AS d ON d.model_version = f.model_version
LEFT JOIN tweets AS t ON t.tweet_id = f.tweet_id
ORDER BY f.target;
