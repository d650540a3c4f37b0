-- name: explanation_errors
-- question: How many explanations do not add up, by label and by how much there was to explain?
-- unit: one label explained and size of its logit's change; errors as a share of the change, and of all absolute scores
-- caveat: those that do not add up to 5 % count in every answer on words, whose intervals are wider by what they miss; those whose logits are no numbers are left out; only the model, method and baseline explained last
-- columns: target, change, explanations, unconverged, share, median_error, p95_error, p95_of_scores, no_numbers
WITH measured AS (
    SELECT
        target, converged, relative_error, isfinite(coalesce(delta, 0)) AS finite, abs(logit - logit_baseline) AS moved,
        abs(delta) / nullif(abs(special_score) + coalesce(list_sum(list_transform(words, lambda w: abs(w.score))), 0), 0)
            AS of_scores
    FROM explanations SEMI JOIN last_explained USING (model_version, method, baseline)
)
SELECT
    target,
    CASE WHEN NOT finite THEN 'no number' WHEN moved < 0.1 THEN 'under 0.1 logit' WHEN moved < 0.5 THEN '0.1 to 0.5 logit'
        WHEN moved < 2 THEN '0.5 to 2 logits' ELSE '2 logits or more' END AS change,
    count(*) AS explanations, count(*) FILTER (converged IS NOT TRUE) AS unconverged, unconverged / explanations AS share,
    median(relative_error) FILTER (finite) AS median_error, quantile_cont(relative_error, 0.95) FILTER (finite) AS p95_error,
    quantile_cont(of_scores, 0.95) FILTER (finite) AS p95_of_scores, count(*) FILTER (NOT finite) AS no_numbers
FROM measured
GROUP BY target, change
ORDER BY target, min(coalesce(CASE WHEN isnan(moved) THEN NULL ELSE moved END, 1e300)), change;
