-- A design drew a tweet because u < pi, and pi is the rate of the tweet's stratum.
SELECT design_id, tweet_id, key, pi, u
FROM draws LEFT JOIN (
    SELECT design_id, item.key AS key, item.rate AS rate FROM (SELECT design_id, unnest(rates) AS item FROM designs)
) USING (design_id, key)
WHERE (u < pi AND pi = rate AND pi <= 1) IS NOT TRUE;
