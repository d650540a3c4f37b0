-- name: borrowed_concepts
-- question: Which concept words push towards a label that they are not about?
-- unit: one word and label; the labels whose concept it is; mean score in centred logits a tweet, with its 95 % interval
-- caveat: the verdict calls a concept word expected for every label, because to be about one label speaks against the others; here are those that speak for one, by what the model looks at, not by edits; rows whose interval leaves 0 in are left out
-- param: label = NULL -- only this label; NULL: every label
-- param: min_tweets = 10 -- fewest sampled tweets with the word
-- param: top = 50 -- rows; NULL: all
-- columns: word, label, concept_of, mean_score, low, high, tweets
WITH about AS (SELECT word, list(label ORDER BY label) AS concept_of FROM concepts GROUP BY word)
SELECT word, label, concept_of, mean_score, low, high, tweets
FROM current_word_label_reliance JOIN about USING (word)
WHERE NOT list_contains(concept_of, label) AND low > 0
    AND (CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR))
    AND tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
ORDER BY low DESC, word, label
LIMIT CAST($top AS BIGINT);
