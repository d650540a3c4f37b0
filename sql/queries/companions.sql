-- name: companions
-- question: Which words that the model relies on come so often with another such word that deleting one leaves the other?
-- unit: one word, label and companion; share of the word's sampled tweets that hold the companion too; reliance and effect in centred logits a tweet
-- caveat: effect_whole is what deleting the word changes in whole tweets, effect what it does once its companions are deleted, which are not only those listed here; edited words whose reliances have q < 0.05 and one sign; copies of one text count once; counts of the sample, not weighted for the corpus; that two come together does not show which one counts
-- param: label = NULL -- only this label; NULL: every label
-- param: word = NULL -- only this word; NULL: every word
-- param: share = 0.8 -- smallest share of the word's sampled tweets that hold the companion
-- param: top = 50 -- rows; NULL: all
-- columns: word, label, companion, tweets, together, reliance, companion_reliance, effect_whole, effect, companion_effect, verdict
WITH relied AS (
    SELECT word, label, reliance, effect_whole, effect, verdict FROM current_word_label_verdict
    WHERE effect IS NOT NULL AND reliance_q < 0.05
),
held AS (
    SELECT DISTINCT word, tweet_id
    FROM sampled_word_scores SEMI JOIN last_explained USING (model_version, method, baseline)
    WHERE word IN (SELECT word FROM relied)
),
held_by AS (SELECT word, count(*) AS tweets FROM held GROUP BY word),
pairs AS (
    SELECT a.word, b.word AS companion, count(*) AS both_held
    FROM held AS a JOIN held AS b USING (tweet_id)
    WHERE a.word <> b.word
    GROUP BY ALL
)
SELECT
    r.word, r.label, c.word AS companion, h.tweets, p.both_held / h.tweets AS together,
    r.reliance, c.reliance AS companion_reliance, r.effect_whole, r.effect, c.effect AS companion_effect, r.verdict
FROM pairs AS p
JOIN held_by AS h USING (word)
JOIN relied AS r USING (word)
JOIN relied AS c ON c.word = p.companion AND c.label = r.label AND sign(c.reliance) = sign(r.reliance)
WHERE p.both_held / h.tweets >= coalesce(CAST($share AS DOUBLE), 0)
    AND (CAST($label AS VARCHAR) IS NULL OR r.label = CAST($label AS VARCHAR))
    AND (CAST($word AS VARCHAR) IS NULL OR r.word = CAST($word AS VARCHAR))
ORDER BY together DESC, round(abs(r.reliance), 9) DESC, r.word, r.label, companion
LIMIT CAST($top AS BIGINT);
