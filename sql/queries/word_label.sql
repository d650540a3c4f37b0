-- name: word_label
-- question: Where do the training tweets and the model's reliance agree that a word carries a label?
-- unit: one word and label; reliance in centred logits a tweet, association_z in standard errors
-- caveat: no test of effect yet and no correction for many words; association_z is null for a word the training split lacks
-- param: label = NULL -- only this label; NULL: every label
-- param: min_tweets = 10 -- fewest explained tweets with the word
-- columns: word, kind, concept, label, tweets, reliance, reliance_low, reliance_high, association_z
SELECT
    r.word, r.kind, r.word IN (SELECT word FROM concepts) AS concept, r.label, r.tweets,
    r.mean_score AS reliance, r.low AS reliance_low, r.high AS reliance_high, a.z AS association_z
FROM current_word_label_reliance AS r
LEFT JOIN word_label_association AS a
    ON a.model_version = r.model_version AND a.word = r.word AND a.label = r.label
WHERE (CAST($label AS VARCHAR) IS NULL OR r.label = CAST($label AS VARCHAR))
    AND r.tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
ORDER BY reliance DESC, r.word, r.label;
