-- name: tweets_to_code
-- question: Which tweets of the stream should be labelled by hand, so that the shares can be corrected?
-- unit: one tweet, drawn by chance; label is to be filled in, and the table given to camembias refresh --coded
-- caveat: more rows begin with the same tweets; label each one in order without a look at what the model said, and leave none out for being hard: a sample with holes is none
-- param: top = 300 -- tweets; NULL: all
-- columns: tweet, text, label
SELECT coding_key(tweet_id) AS tweet, t.text, c.label
FROM (SELECT DISTINCT tweet_id FROM predictions) AS p LEFT JOIN tweets AS t USING (tweet_id) LEFT JOIN coded AS c USING (tweet_id)
ORDER BY sha256('to be coded ' || tweet_id)
LIMIT CAST($top AS BIGINT);
