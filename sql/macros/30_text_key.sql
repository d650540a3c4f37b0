-- What makes texts the same: their hash, or the tweet itself where an explanation from before hashes does not know it.
CREATE MACRO text_key(text_hash, tweet_id) AS coalesce(text_hash, 'tweet ' || tweet_id);
