-- Words, special tokens and baseline add up to the logit, within the stated delta, where all of them are numbers.
SELECT tweet_id, model_version, target, method, baseline
FROM explanations
WHERE isfinite(coalesce(delta, 0)) AND (abs(
    coalesce(list_sum(list_transform(words, lambda w: CAST(w.score AS DOUBLE))), 0)
    + special_score + logit_baseline - logit - delta
) < 1e-3) IS NOT TRUE;
