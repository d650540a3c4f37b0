-- name: word_authors
-- question: Is what a word does to a label carried by a few authors?
-- unit: one word and label; scores in centred logits a tweet, share of the word's sampled tweets
-- caveat: tweets without an author are left out; copies of one text count once, for the author of the first; counts of the sample, not weighted for the corpus
-- param: label = NULL -- only this label; NULL: every label
-- param: word = NULL -- only this word; NULL: every word
-- param: min_tweets = 5 -- fewest sampled tweets with the word
-- param: top = 50 -- rows; NULL: all
-- columns: word, label, tweets, authors, largest_author_share, mean_score, mean_score_without_largest
WITH by_author AS (
    SELECT s.word, s.label, t.author, count(*) AS n, sum(s.score) AS x
    FROM sampled_word_scores AS s SEMI JOIN last_explained USING (model_version, method, baseline)
    JOIN tweets AS t USING (tweet_id)
    WHERE t.author IS NOT NULL
    GROUP BY s.word, s.label, t.author
)
SELECT
    word, label, CAST(sum(n) AS BIGINT) AS tweets, count(*) AS authors, max(n) / sum(n) AS largest_author_share,
    sum(x) / sum(n) AS mean_score,
    (sum(x) - arg_max(x, (n, author))) / nullif(sum(n) - max(n), 0) AS mean_score_without_largest
FROM by_author
WHERE (CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR))
    AND (CAST($word AS VARCHAR) IS NULL OR word = CAST($word AS VARCHAR))
GROUP BY word, label
HAVING sum(n) >= coalesce(CAST($min_tweets AS BIGINT), 1)
ORDER BY largest_author_share DESC, round(abs(mean_score), 9) DESC, word, label
LIMIT CAST($top AS BIGINT);
