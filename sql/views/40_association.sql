CREATE VIEW word_label_association AS
WITH documents AS (
    SELECT model_version, label, list_distinct(words) AS words
    FROM training_words
    WHERE split = 'train'
    QUALIFY row_number() OVER (
        PARTITION BY model_version, coalesce(CAST(duplicate_group AS VARCHAR), 'tweet ' || tweet) ORDER BY tweet
    ) = 1
),
labels AS (
    SELECT model_version, label, count(*) AS label_docs, sum(count(*)) OVER (PARTITION BY model_version) AS all_docs
    FROM documents
    GROUP BY model_version, label
),
pairs AS (
    SELECT model_version, word, label, count(*) AS both_docs
    FROM (SELECT model_version, label, unnest(words) AS word FROM documents)
    GROUP BY model_version, word, label
),
words AS (
    SELECT model_version, word, sum(both_docs) AS docs FROM pairs GROUP BY model_version, word
),
counted AS (
    SELECT
        model_version, word, label,
        CAST(docs AS BIGINT) AS docs, label_docs, CAST(all_docs AS BIGINT) AS all_docs,
        coalesce(both_docs, 0) AS both_docs, label_docs / all_docs AS p_label
    FROM words JOIN labels USING (model_version) LEFT JOIN pairs USING (model_version, word, label)
)
SELECT
    model_version, word, word_kind(word) AS kind, label, docs, label_docs, all_docs, both_docs,
    CASE WHEN both_docs > 0 THEN log2(both_docs / docs / p_label) END AS pmi,
    CASE WHEN both_docs > 0 THEN both_docs / all_docs * log2(both_docs / docs / p_label) ELSE 0 END AS lmi,
    (both_docs / docs - p_label) / nullif(sqrt(p_label * (1 - p_label) / docs), 0) AS z
FROM counted;
COMMENT ON VIEW word_label_association IS
    'one row a model, word and label: do they go together in the training split; one document a duplicate group';
COMMENT ON COLUMN word_label_association.docs IS 'documents with the word';
COMMENT ON COLUMN word_label_association.label_docs IS 'documents of the label';
COMMENT ON COLUMN word_label_association.all_docs IS 'documents in the training split';
COMMENT ON COLUMN word_label_association.both_docs IS 'documents of the label with the word';
COMMENT ON COLUMN word_label_association.pmi IS 'bits; null when the pair was never seen';
COMMENT ON COLUMN word_label_association.lmi IS 'bits: pmi times the share of documents that are the pair';
COMMENT ON COLUMN word_label_association.z IS
    'standard errors of p(label | word) from p(label) (Gardner et al. 2021); null when all documents have one label';

CREATE VIEW current_word_label_association AS
SELECT a.* FROM word_label_association AS a
WHERE a.model_version IN (
    SELECT model_version FROM models SEMI JOIN training_words USING (model_version)
    ORDER BY seen_at DESC, model_version LIMIT 1
);
COMMENT ON VIEW current_word_label_association IS 'word_label_association of the model seen last';
