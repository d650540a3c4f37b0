-- name: models_seen
-- question: Which models have worked on this store, and what do their manifests say of them?
-- unit: one serving version, that of the model explained last first, then the newest; manifest is JSON: training data, metrics with intervals, calibration, shortcuts, versions
-- caveat: the metrics are those of the model's own held-out tweets, not of the tweets of this store
-- columns: name, model_version, serving_version, labels, manifest, seen_at
SELECT name, model_version, serving_version, labels, manifest, seen_at
FROM models
ORDER BY model_version IN (SELECT model_version FROM last_explained) DESC, seen_at DESC, serving_version;
