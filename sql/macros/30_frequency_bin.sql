-- Words of like frequency: a bin is a factor of two in tweets.
CREATE MACRO frequency_bin(tweets) AS CAST(floor(log2(tweets)) AS INTEGER);
