-- Every prediction belongs to a stored tweet.
SELECT tweet_id, serving_version FROM predictions ANTI JOIN tweets USING (tweet_id);
