-- name: recount_words
-- question: Which words would a recount of the labels take out of the tweets?
-- unit: one word; labels for which it is a bias, sampled tweets with it
-- caveat: words confirmed towards or away from a label, but for those that a reviewer decided to be expected, and words that one decided to be bias; kinds (<hashtag>) are not taken out
-- param: model = NULL -- model version; NULL: the one explained last
-- columns: word, kind, labels, tweets
WITH scope AS (
    SELECT model_version, method, baseline FROM explained
    WHERE model_version = coalesce(CAST($model AS VARCHAR), model_version) ORDER BY place LIMIT 1
)
SELECT word, word_kind(word) AS kind, list(label ORDER BY label) AS labels, coalesce(max(tweets), 0) AS tweets
FROM (SELECT * EXCLUDE (decision) FROM word_label_verdict SEMI JOIN scope USING (model_version, method, baseline))
FULL JOIN decisions USING (word, label)
WHERE word_kind(word) <> 'kind' AND (decision = 'bias' OR (verdict IN ('confirmed_bias', 'confirmed_away') AND decision IS DISTINCT FROM 'expected'))
GROUP BY word
ORDER BY word;
