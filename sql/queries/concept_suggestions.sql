-- name: concept_suggestions
-- question: Which words go with a label in training and look as if they said what it means?
-- unit: one word and the label it goes with most; z in standard errors (Gardner et al. 2021); like is the concept word it resembles
-- caveat: a proposal for a person to judge: an account, an emoji or a name that goes with a label is what the audit is for, and is not proposed
-- param: label = NULL -- only this label; NULL: every label
-- param: min_docs = 5 -- fewest training documents with the word
-- param: top = 20 -- words a label; NULL: all
-- columns: label, word, kind, docs, p_label, z, like
WITH candidates AS (
    SELECT label, word, kind, docs, both_docs / docs AS p_label, z
    FROM current_word_label_association
    WHERE kind IN ('word', 'hashtag') AND p_towards < 0.01 AND docs >= coalesce(CAST($min_docs AS BIGINT), 1)
        AND word NOT IN (SELECT word FROM concepts)
    QUALIFY row_number() OVER (PARTITION BY word ORDER BY z DESC, label) = 1
),
-- A word family shares its beginning: avion, avions, aviation.
resembling AS (
    SELECT s.label, s.word, min(c.word) AS "like"
    FROM candidates AS s JOIN concepts AS c
        ON c.label = s.label AND left(ltrim(c.word, '#'), 5) = left(ltrim(s.word, '#'), 5) AND length(ltrim(s.word, '#')) >= 5
    GROUP BY s.label, s.word
)
SELECT label, word, kind, docs, p_label, z, "like"
FROM candidates LEFT JOIN resembling USING (label, word)
WHERE CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR)
QUALIFY CAST($top AS BIGINT) IS NULL
    OR row_number() OVER (PARTITION BY label ORDER BY "like" IS NULL, z DESC, word) <= CAST($top AS BIGINT)
ORDER BY label, "like" IS NULL, z DESC, word;
