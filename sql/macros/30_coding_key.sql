-- A tweet's name in a table that people fill in: a spreadsheet would round the id.
CREATE MACRO coding_key(tweet_id) AS 't' || substr(sha256(tweet_id), 1, 12);
