-- name: control_words
-- question: Which words go with no label in training, so that what the model does with them is the noise to beat?
-- unit: one word of the sampled tweets
-- caveat: no label at |z| of 2 or more, no concept word, no punctuation; a rare word can hide an association
-- param: model = NULL -- model version; NULL: the one explained last
-- param: min_tweets = 5 -- fewest sampled tweets with the word
-- columns: word, kind, tweets
WITH scope AS (
    SELECT model_version, method, baseline FROM explained
    WHERE model_version = coalesce(CAST($model AS VARCHAR), model_version) ORDER BY place LIMIT 1
)
SELECT r.word, r.kind, max(r.tweets) AS tweets
FROM word_label_reliance AS r SEMI JOIN scope USING (model_version, method, baseline)
ANTI JOIN (SELECT model_version, word FROM word_label_association WHERE abs(z) >= 2) AS a USING (model_version, word)
WHERE r.tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
    AND r.kind <> 'punctuation' AND r.word NOT IN (SELECT word FROM concepts)
GROUP BY r.word, r.kind
ORDER BY r.word;
