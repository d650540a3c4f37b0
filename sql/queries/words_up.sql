-- name: words_up
-- question: Which words push tweets towards each label most?
-- unit: one label and word; scores in centred logits a tweet
-- caveat: ranked by the end of the interval nearer to 0, so that few tweets do not lead; what the model relies on, not what is true; only the model, method and baseline explained last; several words are looked at, some intervals miss 0 by chance
-- param: label = NULL -- only this label; NULL: every label
-- param: top = 20 -- words a label; NULL: all
-- param: min_tweets = 5 -- fewest explained tweets with the word
-- columns: label, word, kind, tweets, occurrences, mean_score, low, high, total_score, share_positive
SELECT label, word, kind, tweets, occurrences, mean_score, low, high, total_score, share_positive
FROM current_word_label_reliance
WHERE (CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR))
    AND tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
    AND mean_score > 0
QUALIFY CAST($top AS BIGINT) IS NULL
    OR row_number() OVER (PARTITION BY label ORDER BY low DESC NULLS LAST, mean_score DESC, word) <= CAST($top AS BIGINT)
ORDER BY label, low DESC NULLS LAST, mean_score DESC, word;
