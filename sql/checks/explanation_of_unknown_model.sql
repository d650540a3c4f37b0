-- Every explanation is of a model whose labels are known; others would be left out of the answers on words.
SELECT tweet_id, model_version, target FROM explanations ANTI JOIN models USING (model_version);
