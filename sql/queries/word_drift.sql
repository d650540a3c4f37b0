-- name: word_drift
-- question: Which words go with a label among the model's predictions more, or less, than they did in its training?
-- unit: one word and label; shares of the tweets with the word, 0 to 1
-- caveat: predicted shares are of the sampled, explained tweets, weighted for the corpus, whose number counts copies of one text once; a stream differs from a training set in its label shares too
-- param: label = NULL -- only this label; NULL: every label
-- param: min_tweets = 10 -- fewest sampled tweets, and fewest training documents, with the word
-- param: top = 50 -- rows; NULL: all
-- columns: word, kind, label, docs, trained_share, tweets, predicted_share, difference
WITH tweets_with AS (
    SELECT s.word, s.tweet_id, any_value(s.w) AS w, any_value(c.label) AS predicted
    FROM sampled_word_scores AS s
    SEMI JOIN last_explained USING (model_version, method, baseline)
    JOIN complete_explanations AS c USING (model_version, method, baseline, tweet_id)
    GROUP BY s.word, s.tweet_id
),
predicted AS (
    SELECT word, count(*) AS tweets, sum(w) AS w FROM tweets_with GROUP BY word
),
by_label AS (
    SELECT word, predicted AS label, sum(w) AS w FROM tweets_with GROUP BY word, predicted
)
SELECT
    a.word, a.kind, a.label, a.docs, a.both_docs / a.docs AS trained_share, p.tweets,
    coalesce(l.w, 0) / p.w AS predicted_share, coalesce(l.w, 0) / p.w - a.both_docs / a.docs AS difference
FROM word_label_association AS a
SEMI JOIN last_explained USING (model_version)
JOIN predicted AS p USING (word)
LEFT JOIN by_label AS l ON l.word = a.word AND l.label = a.label
WHERE (CAST($label AS VARCHAR) IS NULL OR a.label = CAST($label AS VARCHAR))
    AND least(a.docs, p.tweets) >= coalesce(CAST($min_tweets AS BIGINT), 1)
ORDER BY round(abs(difference), 9) DESC, a.word, a.label
LIMIT CAST($top AS BIGINT);
