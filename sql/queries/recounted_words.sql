-- name: recounted_words
-- question: Which of the words taken out in a recount change the tweets' labels?
-- unit: one word and label; tweets that hold the word, and of them those that lost or gained the label (estimated counts), difference as a share of all tweets, from -1 to 1
-- caveat: all words of the recount were taken out at once, so a tweet that holds two of them counts for both; differences do not add up then
-- param: recount = NULL -- its id in the view recounts; NULL: the latest
-- param: top = 20 -- rows; NULL: all
-- columns: word, label, tweets, lost, gained, difference
WITH chosen AS (
    SELECT
        recount, holders / tweets AS weight, list_sum(list_transform(frame, lambda one: one.tweets)) AS n,
        unnest(list_transform(frame, lambda one: one.label)) AS label
    FROM recounts
    WHERE recount = coalesce(CAST($recount AS VARCHAR), recount)
    QUALIFY dense_rank() OVER (ORDER BY computed_at DESC, recount) = 1
),
held AS (SELECT recount, unnest(words) AS word, label, label_without FROM recounted)
SELECT
    word, c.label, CAST(round(any_value(weight) * count(*)) AS BIGINT) AS tweets,
    CAST(round(any_value(weight) * count(*) FILTER (h.label = c.label AND label_without <> c.label)) AS BIGINT) AS lost,
    CAST(round(any_value(weight) * count(*) FILTER (h.label <> c.label AND label_without = c.label)) AS BIGINT) AS gained,
    any_value(weight) * (
        count(*) FILTER (label_without = c.label) - count(*) FILTER (h.label = c.label)
    ) / any_value(n) AS difference
FROM chosen AS c JOIN held AS h USING (recount)
GROUP BY word, c.label
ORDER BY round(abs(difference), 9) DESC, word, c.label
LIMIT CAST($top AS BIGINT);
