-- The view predictions holds a tweet once a serving version.
SELECT tweet_id, serving_version FROM predictions GROUP BY tweet_id, serving_version HAVING count(*) > 1;
