-- name: stream_words
-- question: Which words are much more frequent in the stream than in the training tweets, or much less?
-- unit: one word; shares of the tweets that hold it, 0 to 1, their difference with its 95 % interval, and their ratio, stream to training
-- caveat: a model has not learned what to do with words that its training lacks, such as the head of a retweet, and need not err on them; the stream's shares are estimated from its sampled tweets, retweets counted; training counts copies of a text once; what the interval leaves open has no row, and the surest comes first; ratio is null where training has none
-- param: min_ratio = 2 -- at least so many times as frequent in the one as in the other; NULL: any
-- param: min_tweets = 10 -- fewest sampled tweets and training documents with the word, together
-- param: top = 50 -- rows; NULL: all
-- columns: word, kind, tweets, stream_share, docs, training_share, difference, difference_low, difference_high, ratio
WITH sampled AS (
    SELECT model_version, sum(w) AS w, sum(w ** 2) AS w2
    FROM sampled_texts SEMI JOIN last_explained USING (model_version, method, baseline)
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
sizes AS (SELECT w, w2, CAST((SELECT max(all_docs) FROM trained) AS DOUBLE) AS docs FROM sampled),
-- As many equal weights as tell as much (Kish 1965): of the tweets with the word, or of all where none has it.
shares AS (
    SELECT
        word, coalesce(s.kind, t.kind) AS kind, coalesce(s.tweets, 0) AS tweets, coalesce(t.docs, 0) AS docs,
        coalesce(s.w, 0) / z.w AS stream_share, coalesce(t.docs, 0) / z.docs AS training_share,
        wilson(stream_share, coalesce(s.w * z.w / s.w2, z.w ** 2 / z.w2)) AS of_stream,
        wilson(training_share, z.docs) AS of_training
    FROM stream AS s FULL JOIN trained AS t USING (word), sizes AS z
),
compared AS (
    SELECT
        *, stream_share - training_share AS difference,
        shares_apart(stream_share, of_stream, training_share, of_training) AS apart
    FROM shares
)
SELECT
    word, kind, tweets, stream_share, docs, training_share, difference,
    apart.low AS difference_low, apart.high AS difference_high, stream_share / nullif(training_share, 0) AS ratio
FROM compared
WHERE tweets + docs >= coalesce(CAST($min_tweets AS BIGINT), 1) AND (apart.low > 0 OR apart.high < 0)
    AND greatest(stream_share, training_share)
        >= coalesce(CAST($min_ratio AS DOUBLE), 1) * least(stream_share, training_share)
ORDER BY round(greatest(apart.low, -apart.high), 9) DESC, word
LIMIT CAST($top AS BIGINT);
