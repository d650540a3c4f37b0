-- name: word_top_label
-- question: Which label does each word push towards most, and which one away from?
-- unit: one word; scores in centred logits a tweet
-- caveat: with two labels one score mirrors the other; only the model, method and baseline explained last
-- param: min_tweets = 5 -- fewest explained tweets with the word
-- columns: word, kind, tweets, label, score, away_label, away_score
SELECT
    word, kind, max(tweets) AS tweets,
    arg_max(label, mean_score) AS label, max(mean_score) AS score,
    arg_min(label, mean_score) AS away_label, min(mean_score) AS away_score
FROM current_word_label_reliance
WHERE tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
GROUP BY word, kind
HAVING max(mean_score) > 0
ORDER BY score DESC, word;
