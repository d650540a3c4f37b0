-- What an error is clustered by: the author where enough wrote the tweets, else the tweet; a tweet without an author is one.
CREATE MACRO cluster_name(by_author, author, tweet_id) AS
CASE WHEN by_author THEN coalesce('author ' || author, 'tweet ' || tweet_id) ELSE 'tweet ' || tweet_id END;
