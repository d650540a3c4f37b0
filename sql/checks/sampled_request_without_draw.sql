-- Every request of a design is for a tweet that the design drew.
SELECT batch, tweet_id, design_id FROM requests WHERE design_id IS NOT NULL
EXCEPT
SELECT r.batch, r.tweet_id, r.design_id FROM requests AS r JOIN draws USING (design_id, tweet_id);
