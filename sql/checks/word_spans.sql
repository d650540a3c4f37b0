-- The words of an explanation are not empty, in order, and do not overlap.
SELECT tweet_id, model_version, target, position, start, stop
FROM word_scores
QUALIFY (
    start < stop AND start >= coalesce(lag(stop) OVER (
        PARTITION BY tweet_id, model_version, target, method, baseline ORDER BY position
    ), 0)
) IS NOT TRUE;
