-- name: undecided_words
-- question: Which words does training tie to a label that they move when they are edited, in too few explained tweets for a verdict?
-- unit: one word or kind; the label it speaks for most surely, p of the weaker of its association and effect (one-sided), explained tweets with it, and how many it should have
-- caveat: chosen by association, effect and the number of tweets alone, never by what its reliance is so far: else a test of that after more explanations would not be one; effect is that of deletion for words that another of their kind can stand for
-- param: model = NULL -- model version; NULL: the one explained last
-- columns: word, kind, label, p, tweets, wanted
WITH scope AS (
    SELECT model_version, method, baseline FROM explained
    WHERE model_version = coalesce(CAST($model AS VARCHAR), model_version) ORDER BY place LIMIT 1
),
pairs AS (
    SELECT
        w.word, w.kind, w.label, w.tweets,
        kind IN ('handle', 'hashtag', 'link', 'emoji', 'number') AS of_kind,
        least(
            greatest(association_p_towards, CASE WHEN of_kind THEN least(effect_p_towards, deleted_p_towards) ELSE effect_p_towards END),
            greatest(association_p_away, CASE WHEN of_kind THEN least(effect_p_away, deleted_p_away) ELSE effect_p_away END)
        ) AS p
    FROM word_label_witnesses AS w SEMI JOIN scope USING (model_version, method, baseline)
    ANTI JOIN residual_labels AS l ON l.model_version = w.model_version AND l.label = w.label
    WHERE w.docs >= 5 AND w.effect_p_towards IS NOT NULL AND w.association_p_towards IS NOT NULL
        AND w.tweets < enough_tweets() AND w.word NOT IN (SELECT word FROM concepts)
)
SELECT word, kind, arg_min(label, (p, label)) AS label, min(p) AS p, max(tweets) AS tweets, enough_tweets() AS wanted
FROM pairs
WHERE p < 0.01
GROUP BY word, kind
ORDER BY p, tweets, word;
