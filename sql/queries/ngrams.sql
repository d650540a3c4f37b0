-- name: ngrams
-- question: Which runs of two or three words push tweets towards each label, or away from it, most in all?
-- unit: one label and run of words; scores in centred logits, the run's words summed, then its occurrences in the tweet; estimated for the corpus sampled from (Hájek)
-- caveat: a run inherits the score of its strongest word; only the model, method and baseline explained last; low and high: 95 %, distinct texts taken as independent
-- param: label = NULL -- only this label; NULL: every label
-- param: n = NULL -- 2 or 3 words; NULL: both
-- param: top = 20 -- runs a label and direction; NULL: all
-- param: min_tweets = 3 -- fewest sampled tweets with the run
-- columns: label, ngram, n, tweets, occurrences, corpus_tweets, mean_score, low, high, total_score
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
),
per_tweet AS (
    SELECT r.label, r.ngram, r.n, r.tweet_id, sum(r.score) AS x, count(*) AS occurrences, any_value(i.w) AS w
    FROM runs_of_words AS r
    JOIN (SELECT tweet_id, w FROM sampled_texts SEMI JOIN last_explained USING (model_version, method, baseline)) AS i
        USING (tweet_id)
    WHERE (CAST($label AS VARCHAR) IS NULL OR r.label = CAST($label AS VARCHAR))
        AND (CAST($n AS BIGINT) IS NULL OR r.n = CAST($n AS BIGINT))
    GROUP BY r.label, r.ngram, r.n, r.tweet_id
),
estimates AS (
    SELECT
        label, ngram, n, count(*) AS tweets, CAST(sum(occurrences) AS BIGINT) AS occurrences,
        sum(w) AS corpus_tweets, sum(w * x) / sum(w) AS mean_score, sum(w * x) AS total_score,
        cluster_error(w * x, w) AS se_tweet, effective_df(sum(w ** 2), sum(w ** 4)) AS df
    FROM per_tweet
    GROUP BY label, ngram, n
)
SELECT
    label, ngram, n, tweets, occurrences, corpus_tweets, mean_score,
    mean_score - student_975(df) * se_tweet AS low, mean_score + student_975(df) * se_tweet AS high,
    total_score
FROM estimates
WHERE tweets >= coalesce(CAST($min_tweets AS BIGINT), 1) AND total_score <> 0
QUALIFY CAST($top AS BIGINT) IS NULL
    OR row_number() OVER (PARTITION BY label, total_score > 0 ORDER BY round(abs(total_score), 9) DESC, ngram) <= CAST($top AS BIGINT)
ORDER BY label, total_score DESC, ngram;
