CREATE TABLE word_label_association AS
WITH documents AS (
    SELECT model_version, tweet, label, list_distinct(words) AS words
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
held AS (SELECT model_version, tweet, label, unnest(words) AS word FROM documents),
kinds AS (  -- of words, each looked at once; a concept word speaks for itself, not for its kind
    SELECT word, '<' || word_kind(word) || '>' AS kind_name FROM (SELECT DISTINCT word FROM held ANTI JOIN concepts USING (word))
    WHERE word_kind(kind_name) = 'kind'
),
pairs AS (
    SELECT model_version, word, label, count(*) AS both_docs, false AS of_kind FROM held GROUP BY model_version, word, label
    UNION ALL
    SELECT model_version, kind_name, label, count(DISTINCT tweet), true
    FROM held JOIN kinds USING (word)
    GROUP BY model_version, kind_name, label
),
words AS (
    SELECT model_version, word, sum(both_docs) AS docs, any_value(of_kind) AS of_kind
    FROM pairs
    GROUP BY model_version, word
),
counted AS (
    SELECT
        model_version, word, label, w.of_kind,
        CAST(docs AS BIGINT) AS docs, label_docs, CAST(all_docs AS BIGINT) AS all_docs,
        coalesce(both_docs, 0) AS both_docs, label_docs / all_docs AS p_label
    FROM words AS w JOIN labels USING (model_version) LEFT JOIN pairs USING (model_version, word, label)
),
-- Monroe et al. 2008, equation 16: the prior is a tenth of the training split, spread over words as they occur in it.
weighed AS (
    SELECT
        *, both_docs + docs / 10 AS with_label, docs - both_docs + docs / 10 AS without_label,
        sum(both_docs) FILTER (NOT of_kind) OVER (PARTITION BY model_version, label) + corpus_words / 10 AS label_words,
        corpus_words - sum(both_docs) FILTER (NOT of_kind) OVER (PARTITION BY model_version, label) + corpus_words / 10
            AS other_words
    FROM (SELECT *, sum(both_docs) FILTER (NOT of_kind) OVER (PARTITION BY model_version) AS corpus_words FROM counted)
),
tested AS (
    SELECT
        *, binomial_z(both_docs, docs, p_label) AS z_towards, binomial_z(docs - both_docs, docs, 1 - p_label) AS z_away
    FROM weighed
)
SELECT
    model_version, word, word_kind(word) AS kind, label, docs, label_docs, all_docs, both_docs,
    CASE WHEN both_docs > 0 THEN log2(both_docs / docs / p_label) END AS pmi,
    CASE WHEN both_docs > 0 THEN both_docs / all_docs * log2(both_docs / docs / p_label) ELSE 0 END AS lmi,
    (both_docs / docs - p_label) / nullif(sqrt(p_label * (1 - p_label) / docs), 0) AS z,
    ln(with_label / (label_words - with_label)) - ln(without_label / (other_words - without_label)) AS log_odds,
    sqrt(1 / with_label + 1 / without_label) AS se,
    log_odds - 1.96 * se AS low, log_odds + 1.96 * se AS high,
    normal_tail(z_towards) AS p_towards, normal_tail(z_away) AS p_away
FROM tested;
COMMENT ON TABLE word_label_association IS
    'one row a model, word and label: do they go together in the training split; one document a duplicate group; also of kinds (word `<hashtag>`, kind `kind`): documents with any word of it but concept words';
COMMENT ON COLUMN word_label_association.docs IS 'documents with the word';
COMMENT ON COLUMN word_label_association.label_docs IS 'documents of the label';
COMMENT ON COLUMN word_label_association.all_docs IS 'documents in the training split';
COMMENT ON COLUMN word_label_association.both_docs IS 'documents of the label with the word';
COMMENT ON COLUMN word_label_association.pmi IS 'bits; null when the pair was never seen';
COMMENT ON COLUMN word_label_association.lmi IS 'bits: pmi times the share of documents that are the pair';
COMMENT ON COLUMN word_label_association.z IS
    'standard errors of p(label | word) from p(label) (Gardner et al. 2021); null when all documents have one label';
COMMENT ON COLUMN word_label_association.log_odds IS
    'log-odds ratio of the word in documents of the label against the others, informative Dirichlet prior (Monroe et al. 2008)';
COMMENT ON COLUMN word_label_association.se IS 'of log_odds; log_odds / se is the z of Monroe et al.';
COMMENT ON COLUMN word_label_association.low IS 'log_odds - 1.96 se';
COMMENT ON COLUMN word_label_association.high IS 'log_odds + 1.96 se';
COMMENT ON COLUMN word_label_association.p_towards IS
    'chance of so many documents of the label or more among those with the word, were they independent (binomial, one-sided)';
COMMENT ON COLUMN word_label_association.p_away IS 'the same for so many or fewer';

CREATE VIEW current_word_label_association AS
SELECT a.* FROM word_label_association AS a
WHERE a.model_version IN (
    SELECT model_version FROM models SEMI JOIN training_words USING (model_version)
    ORDER BY seen_at DESC, model_version LIMIT 1
);
COMMENT ON VIEW current_word_label_association IS 'word_label_association of the model seen last';
