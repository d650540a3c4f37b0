CREATE VIEW recounted AS
SELECT * FROM recounted_parts
QUALIFY row_number() OVER (PARTITION BY recount, tweet_id ORDER BY label_without) = 1;
COMMENT ON VIEW recounted IS 'one row a recount and tweet of it: its label with and without the words';
COMMENT ON COLUMN recounted.label IS 'as stored when it was classified';
COMMENT ON COLUMN recounted.words IS 'words of the recount that it holds';
COMMENT ON COLUMN recounted.others IS 'as many control words that it holds, drawn by chance, or all where it has fewer';
COMMENT ON COLUMN recounted.label_without IS 'its label once `words` are deleted; the stored one where nothing would be left';
COMMENT ON COLUMN recounted.label_without_others IS 'its label once `others` are deleted instead; the stored one where it has none';
COMMENT ON COLUMN recounted.month IS 'of created_at when it was recounted: its first day (UTC); null: of no known time';

-- What was not recounted was added up then; what was is counted here, tweet by tweet. So a tweet of it that is forgotten
-- is out of every number at once, whenever that was and however often `forget` was killed. One that was not recounted, as
-- it holds no word or was not drawn, stays in the sums: nothing there says which it was.
CREATE VIEW recounts AS
WITH made AS (
    SELECT * FROM recounts_parts
    QUALIFY row_number() OVER (PARTITION BY recount ORDER BY computed_at DESC NULLS LAST) = 1
),
counted AS (
    SELECT recount, month, label, CAST(sum(tweets) AS BIGINT) AS tweets
    FROM (
        SELECT recount, unnest(rest, recursive := true) FROM made
        UNION ALL BY NAME
        SELECT recount, month, label, 1 AS tweets FROM recounted SEMI JOIN (FROM made WHERE rest IS NOT NULL) USING (recount)
    )
    GROUP BY recount, month, label
),
by_label AS (
    SELECT recount, list({label: label, tweets: tweets} ORDER BY label) AS frame
    FROM (SELECT recount, label, CAST(sum(tweets) AS BIGINT) AS tweets FROM counted GROUP BY recount, label)
    GROUP BY recount
),
by_month AS (
    SELECT recount, list({month: month, label: label, tweets: tweets} ORDER BY month, label) AS months
    FROM counted WHERE month IS NOT NULL GROUP BY recount
),
there AS (SELECT recount, count(*) AS n FROM recounted GROUP BY recount)
SELECT
    made.* EXCLUDE (rest)
    REPLACE (
        coalesce(by_label.frame, made.frame) AS frame, made.holders - made.tweets + coalesce(n, 0) AS holders,
        coalesce(n, 0) AS tweets
    ),
    months
FROM made LEFT JOIN by_label USING (recount) LEFT JOIN by_month USING (recount) LEFT JOIN there USING (recount);
COMMENT ON VIEW recounts IS 'one row a serving version and set of words: a recount of the labels with these words taken out of the tweets';
COMMENT ON COLUMN recounts.frame IS
    'per label: tweets that the serving version had given it by then, less those recounted that were forgotten since';
COMMENT ON COLUMN recounts.holders IS 'of these tweets, those that hold one of the words';
COMMENT ON COLUMN recounts.tweets IS 'of the holders, those recounted: all, or a simple random sample';
COMMENT ON COLUMN recounts.months IS
    'per month (its first day, UTC) and label: tweets of the frame with a time; null: of none it is known';
