-- name: stream_words
-- question: Which words are much more frequent in the stream than in the training tweets, or much less?
-- unit: one word; shares of the tweets that hold it, 0 to 1, their difference with its 95 % interval, and their ratio, stream to training
-- caveat: a model has not learned what to do with words that its training lacks, such as the head of a retweet, and need not err on them; the stream's shares are estimated from its sampled tweets, retweets counted; training counts copies of a text once; what the interval leaves open has no row, and the surest comes first; ratio is null where training has none
-- param: min_ratio = 2 -- at least so many times as frequent in the one as in the other; NULL: any
-- param: min_tweets = 10 -- fewest sampled tweets and training documents with the word, together
-- param: top = 50 -- rows; NULL: all
-- columns: word, kind, tweets, stream_share, docs, training_share, difference, difference_low, difference_high, ratio
WITH sampled AS (
    SELECT model_version, sum(w) AS w FROM sampled_texts SEMI JOIN last_explained USING (model_version, method, baseline)
    GROUP BY model_version
),
stream AS (
    SELECT word, any_value(kind) AS kind, any_value(tweets) AS tweets, any_value(w) AS w, any_value(w2) AS w2
    FROM word_label_sums SEMI JOIN last_explained USING (model_version, method, baseline)
    GROUP BY word
),
trained AS (
    SELECT word, any_value(kind) AS kind, any_value(docs) AS docs, any_value(all_docs) AS all_docs
    FROM word_label_association SEMI JOIN sampled USING (model_version)
    GROUP BY word
),
sizes AS (SELECT (SELECT w FROM sampled) AS w, (SELECT max(all_docs) FROM trained) AS docs),
compared AS (
    SELECT
        word, coalesce(s.kind, t.kind) AS kind, coalesce(s.tweets, 0) AS tweets, coalesce(t.docs, 0) AS docs,
        coalesce(s.w, 0) / sizes.w AS stream_share, coalesce(t.docs, 0) / sizes.docs AS training_share,
        stream_share - training_share AS difference,
        1.96 * sqrt(coalesce(s.w2, 0) / sizes.w ** 2 + training_share * (1 - training_share) / sizes.docs) AS margin
    FROM stream AS s FULL JOIN trained AS t USING (word), sizes
)
SELECT
    word, kind, tweets, stream_share, docs, training_share, difference,
    difference - margin AS difference_low, difference + margin AS difference_high,
    stream_share / nullif(training_share, 0) AS ratio
FROM compared
WHERE tweets + docs >= coalesce(CAST($min_tweets AS BIGINT), 1) AND abs(difference) > margin
    AND greatest(stream_share, training_share)
        >= coalesce(CAST($min_ratio AS DOUBLE), 1) * least(stream_share, training_share)
ORDER BY round(abs(difference) - margin, 9) DESC, word
LIMIT CAST($top AS BIGINT);
