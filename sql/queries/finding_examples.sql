-- name: finding_examples
-- question: Which tweets show what a word does to a label, with a score for each of their words?
-- unit: one finding (a row of verdicts) and sampled tweet; scores in centred logits of the label
-- caveat: drawn by the tweet's permanent random number, not because they show the finding well
-- param: top = 50 -- findings, in the order of verdicts; NULL: all
-- param: word = NULL -- only this word; NULL: every word
-- param: each = 2 -- tweets a finding; NULL: all
-- columns: word, label, example, tweet_id, predicted, score, text, words
WITH findings AS (
    SELECT model_version, method, baseline, word, label
    FROM current_word_label_verdict
    WHERE verdict NOT IN ('weak', 'no_finding') AND (CAST($word AS VARCHAR) IS NULL OR word = CAST($word AS VARCHAR))
    QUALIFY CAST($top AS BIGINT) IS NULL OR row_number() OVER (
        ORDER BY finding_key(verdict, q_verdict, p_verdict, reliance_low, reliance_high, effect, reliance), word, label
    ) <= CAST($top AS BIGINT)
),
drawn AS (
    SELECT
        f.*, s.tweet_id, s.score,
        row_number() OVER (PARTITION BY f.word, f.label ORDER BY i.u, s.tweet_id) AS example
    FROM findings AS f
    JOIN sampled_word_scores AS s USING (model_version, method, baseline, word, label)
    JOIN inclusion AS i USING (model_version, method, baseline, tweet_id)
    QUALIFY CAST($each AS BIGINT) IS NULL OR example <= CAST($each AS BIGINT)
),
centred AS (
    SELECT c.model_version, c.method, c.baseline, c.tweet_id, c.target AS label, list(c.score ORDER BY c.position) AS scores
    FROM centred_word_scores AS c SEMI JOIN drawn AS d
        ON d.model_version = c.model_version AND d.method = c.method AND d.baseline = c.baseline
        AND d.tweet_id = c.tweet_id AND d.label = c.target
    GROUP BY ALL
)
SELECT
    d.word, d.label, d.example, d.tweet_id, e.label AS predicted, d.score, t.text,
    list_transform(
        e.words,
        lambda w, i: {'word': w.word, 'surface': w.surface, 'start': w.start, 'stop': w.stop, 'score': c.scores[i]}
    ) AS words
FROM drawn AS d
JOIN centred AS c USING (model_version, method, baseline, tweet_id, label)
JOIN explanations AS e
    ON e.model_version = d.model_version AND e.method = d.method AND e.baseline = d.baseline
    AND e.tweet_id = d.tweet_id AND e.target = d.label
LEFT JOIN tweets AS t ON t.tweet_id = d.tweet_id
ORDER BY d.label, d.word, d.example;
