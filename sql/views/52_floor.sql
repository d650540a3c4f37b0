-- With enough tweets every word differs from 0. The floor is what words that should not matter do. Control words are no
-- concept words and go with no label in training beyond chance (|z| < 2); for effects, those of them edited as such.
CREATE VIEW control_means AS
WITH associated AS (
    SELECT DISTINCT model_version, word FROM word_label_association WHERE abs(z) >= 2
)
SELECT
    model_version, method || ' from ' || baseline AS measure, word, label,
    frequency_bin(tweets) AS bin, mean_score, se_tweet AS se
FROM word_label_reliance ANTI JOIN associated USING (model_version, word)
WHERE tweets >= 5 AND word NOT IN (SELECT word FROM concepts)
UNION ALL
SELECT model_version, edit, word, label, frequency_bin(tweets), mean_score, se
FROM word_label_edit ANTI JOIN associated USING (model_version, word)
WHERE role = 'control' AND word NOT IN (SELECT word FROM concepts);
COMMENT ON VIEW control_means IS 'one row a model, measure, control word and label: what a word does that should do nothing';
COMMENT ON COLUMN control_means.measure IS 'delete, replace or alone, for effects; method from baseline, for reliance';
COMMENT ON COLUMN control_means.bin IS 'floor of log2 of the tweets it was measured in';

-- The 95th percentile of |mean|, among control words of like frequency: within a factor of two, and further until there
-- are 20. Sampling noise inflates it, and the test allows for noise already: it is scaled by the root of the
-- means' reliability, the share of their variance that is not noise.
CREATE TABLE control_floor AS
WITH controls AS MATERIALIZED (
    SELECT * FROM control_means WHERE se IS NOT NULL  -- of a single tweet or author there is no telling how much is noise
),
words AS (  -- a word's tweets, and so its bin, are the same for all labels
    SELECT model_version, measure, bin, count(DISTINCT word) AS words FROM controls GROUP BY ALL
),
bins AS (
    SELECT DISTINCT
        model_version, method || ' from ' || baseline AS measure, frequency_bin(tweets) AS bin
    FROM word_label_reliance
    UNION
    SELECT DISTINCT model_version, edit, frequency_bin(tweets) FROM word_label_edit
),
distances AS (
    SELECT
        b.model_version, b.measure, b.bin, greatest(1, abs(c.bin - b.bin)) AS distance, sum(c.words) AS words
    FROM bins AS b JOIN words AS c USING (model_version, measure)
    GROUP BY ALL
),
reached AS (
    SELECT *, sum(words) OVER (PARTITION BY model_version, measure, bin ORDER BY distance) AS words_within FROM distances
),
near AS (
    SELECT
        model_version, measure, bin, coalesce(min(distance) FILTER (words_within >= 20), max(distance)) AS distance,
        CAST(coalesce(min(words_within) FILTER (words_within >= 20), max(words_within)) AS BIGINT) AS control_words
    FROM reached
    GROUP BY ALL
)
SELECT
    n.model_version, n.measure, n.bin, any_value(n.control_words) AS control_words,
    greatest(0.05, quantile_cont(abs(c.mean_score), 0.95)
        * coalesce(sqrt(greatest(0, 1 - avg(c.se ** 2) / nullif(avg(c.mean_score ** 2), 0))), 0)) AS floor
FROM near AS n JOIN controls AS c
    ON c.model_version = n.model_version AND c.measure = n.measure AND abs(c.bin - n.bin) <= n.distance
GROUP BY ALL;
COMMENT ON TABLE control_floor IS
    'one row a model, measure and frequency bin: what a word must exceed to matter; no row without control words: nothing can be confirmed then';
COMMENT ON COLUMN control_floor.measure IS 'delete, replace or alone, for effects; method from baseline, for reliance';
COMMENT ON COLUMN control_floor.bin IS 'floor of log2 of the tweets';
COMMENT ON COLUMN control_floor.floor IS
    'centred logits, at least 0.05: the 95th percentile of |mean| of control words of like frequency, sampling noise taken off';
