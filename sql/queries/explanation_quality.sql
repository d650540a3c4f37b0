-- name: explanation_quality
-- question: Do the explanations tell what the model does?
-- unit: one measure and variant; comprehensiveness and sufficiency in probability of the predicted label, randomised_parameters in Spearman correlation
-- caveat: a sample of explained tweets, the predicted label only; removing a word by <mask> makes texts that the model was not trained on
-- param: model_version = NULL -- only this model; NULL: every model measured
-- columns: model_version, method, baseline, measure, variant, tweets, mean, low, high, computed_at
SELECT model_version, method, baseline, measure, variant, tweets, mean, low, high, computed_at
FROM quality
WHERE CAST($model_version AS VARCHAR) IS NULL OR model_version = CAST($model_version AS VARCHAR)
ORDER BY model_version, method, baseline, measure, variant;
