-- The inclusion probabilities of a design's frame add up to the size it was asked for.
SELECT design_id, expected, frame_tweets
FROM designs
WHERE (
    abs(list_sum(list_transform(rates, lambda r: r.tweets * r.rate)) - expected) <= 1e-6 * expected
    AND list_sum(list_transform(rates, lambda r: r.tweets)) <= frame_tweets
) IS NOT TRUE;
