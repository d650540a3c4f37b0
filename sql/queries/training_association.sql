-- name: training_association
-- question: Which words go with each label in the training tweets?
-- unit: one label and word; pmi and lmi in bits, z in standard errors
-- caveat: says what the model could have learnt, not what it did; only the model seen last, one document a duplicate group
-- param: label = NULL -- only this label; NULL: every label
-- param: top = 20 -- words a label; NULL: all
-- param: min_docs = 5 -- fewest training documents with the word
-- columns: label, word, kind, docs, both_docs, label_docs, all_docs, pmi, lmi, z
SELECT label, word, kind, docs, both_docs, label_docs, all_docs, pmi, lmi, z
FROM current_word_label_association
WHERE (CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR))
    AND docs >= coalesce(CAST($min_docs AS BIGINT), 1)
QUALIFY CAST($top AS BIGINT) IS NULL
    OR row_number() OVER (PARTITION BY label ORDER BY z DESC NULLS LAST, word) <= CAST($top AS BIGINT)
ORDER BY label, z DESC NULLS LAST, word;
