-- name: detectable_effects
-- question: How small a bias could have been confirmed with these explanations and edits, by how many explained tweets hold the word?
-- unit: one band of explained tweets a word (last: NULL without end); words in it, errors and floors in centred logits (medians over words and labels), the smallest reliance and effect that would have been confirmed with chance 0.8, and the estimated tweets of the corpus with the rarest word of the band
-- caveat: as the only finding among all tests (q 0.05 over their number), and where the other witnesses speak: the more is found, the smaller it may be; words in under 10 explained tweets are never confirmed; concept words and punctuation are left out; explained are the tweets of samples, of the largest frame they were drawn from
-- columns: first, last, words, rarest, tests, reliance_error, reliance_floor, detectable_reliance, edited_words, effect_error, effect_floor, detectable_effect, explained, frame
WITH scope AS (FROM last_explained),
tests AS (SELECT count(q_verdict) AS tests FROM word_label_verdict SEMI JOIN scope USING (model_version, method, baseline)),
sampled AS (
    SELECT CAST(sum(tweets) AS BIGINT) AS explained FROM sampled_texts SEMI JOIN scope USING (model_version, method, baseline)
),
frame AS (SELECT max(frame_tweets) AS frame FROM designs SEMI JOIN scope USING (model_version, method, baseline)),
measured AS (
    SELECT
        r.word, r.tweets, r.corpus_tweets, coalesce(c.se_cluster, r.se_tweet) AS se, coalesce(c.df, r.df) AS df,
        coalesce(e.floor, f.floor) + coalesce(c.error_bound, r.error_bound) AS floor, e.word IS NOT NULL AS edited,
        e.se AS effect_se, e.df AS effect_df, e.floor AS effect_floor
    FROM label_reliance AS r SEMI JOIN scope USING (model_version, method, baseline)
    LEFT JOIN word_label_clustered AS c
        ON c.model_version = r.model_version AND c.method = r.method AND c.baseline = r.baseline
        AND c.word = r.word AND c.label = r.label
    LEFT JOIN word_label_effect AS e ON e.model_version = r.model_version AND e.word = r.word AND e.label = r.label
    LEFT JOIN control_floor AS f
        ON f.model_version = r.model_version AND f.measure = r.method || ' from ' || r.baseline
        AND f.bin = frequency_bin(r.tweets)
    WHERE r.tweets >= 5 AND r.kind <> 'punctuation' AND r.word NOT IN (SELECT word FROM concepts)
),
medians AS (
    SELECT
        b.first, b.last, count(DISTINCT m.word) AS words, min(m.corpus_tweets) AS rarest,
        median(m.se) AS se, median(m.df) AS df, median(m.floor) AS floor,
        count(DISTINCT m.word) FILTER (m.edited) AS edited_words,
        median(m.effect_se) AS effect_se, median(m.effect_df) AS effect_df, median(m.effect_floor) AS effect_floor
    FROM (VALUES (5, 9), (10, 19), (20, 49), (50, 99), (100, NULL)) AS b(first, last)
    JOIN measured AS m ON m.tweets >= b.first AND m.tweets <= coalesce(b.last, m.tweets)
    GROUP BY b.first, b.last
)
SELECT
    first, last, words, rarest, tests, se AS reliance_error, floor AS reliance_floor,
    CASE WHEN first >= 10 AND tests > 0
        THEN floor + (student_above(0.05 / (2 * tests), df) + student_above(0.2, df)) * se
    END AS detectable_reliance,
    edited_words, effect_se AS effect_error, effect_floor,
    CASE WHEN first >= 10 AND tests > 0
        THEN effect_floor + (student_above(0.05 / (2 * tests), effect_df) + student_above(0.2, effect_df)) * effect_se
    END AS detectable_effect,
    explained, frame
FROM medians, tests, sampled, frame
ORDER BY first;
