-- name: ngrams
-- question: Which runs of two or three words push tweets towards each label most in all?
-- unit: one label and run of words; scores in centred logits, the run's words summed
-- caveat: a run inherits the score of its strongest word; only the model, method and baseline explained last
-- param: label = NULL -- only this label; NULL: every label
-- param: n = NULL -- 2 or 3 words; NULL: both
-- param: top = 20 -- runs a label; NULL: all
-- param: min_tweets = 3 -- fewest explained tweets with the run
-- columns: label, ngram, n, tweets, occurrences, mean_score, total_score
WITH following AS (
    SELECT
        target AS label, tweet_id, word, score,
        lead(word) OVER along AS word_2, lead(score) OVER along AS score_2,
        lead(word, 2) OVER along AS word_3, lead(score, 2) OVER along AS score_3
    FROM current_centred_word_scores
    WINDOW along AS (PARTITION BY tweet_id, target ORDER BY position)
),
runs_of_words AS (
    SELECT label, tweet_id, 2 AS n, word || ' ' || word_2 AS ngram, score + score_2 AS score
    FROM following WHERE word_2 IS NOT NULL
    UNION ALL
    SELECT label, tweet_id, 3, word || ' ' || word_2 || ' ' || word_3, score + score_2 + score_3
    FROM following WHERE word_3 IS NOT NULL
)
SELECT
    label, ngram, n, count(DISTINCT tweet_id) AS tweets, count(*) AS occurrences,
    avg(score) AS mean_score, sum(score) AS total_score
FROM runs_of_words
WHERE (CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR))
    AND (CAST($n AS BIGINT) IS NULL OR n = CAST($n AS BIGINT))
GROUP BY label, ngram, n
HAVING count(DISTINCT tweet_id) >= coalesce(CAST($min_tweets AS BIGINT), 1) AND sum(score) > 0
QUALIFY CAST($top AS BIGINT) IS NULL
    OR row_number() OVER (PARTITION BY label ORDER BY total_score DESC, ngram) <= CAST($top AS BIGINT)
ORDER BY label, total_score DESC, ngram;
