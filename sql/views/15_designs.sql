CREATE VIEW draws AS
SELECT
    design_id, tweet_id, key, pi,
    CAST('0x' || substr(sha256(seed || ':' || tweet_id), 1, 13) AS BIGINT) / 16.0 ** 13 AS u
FROM (SELECT DISTINCT design_id, tweet_id, key, pi FROM draws_parts)
JOIN designs USING (design_id);
COMMENT ON VIEW draws IS 'one row a design and tweet that it drew';
COMMENT ON COLUMN draws.key IS 'stratum of the design';
COMMENT ON COLUMN draws.pi IS 'inclusion probability under this design, 0 to 1';
COMMENT ON COLUMN draws.u IS 'the tweet''s permanent random number, 0 to 1, the same for every design: drawn means u < pi';

-- All designs share u, so together they draw a tweet when u is under the largest pi. A design that did not draw it has
-- pi <= u, and one that did has pi > u: the largest over those that drew it is the largest over all.
CREATE VIEW inclusion AS
SELECT
    d.model_version, d.method, d.baseline, w.tweet_id,
    any_value(w.u) AS u, max(w.pi) AS pi, list(d.design_id ORDER BY d.design_id) AS designs
FROM draws AS w JOIN designs AS d USING (design_id)
GROUP BY d.model_version, d.method, d.baseline, w.tweet_id;
COMMENT ON VIEW inclusion IS
    'one row a model, method, baseline and sampled tweet; hand-picked tweets have none and take no part in estimates';
COMMENT ON COLUMN inclusion.pi IS 'probability that any design of the store draws the tweet, 0 to 1; estimates take that of sampled_tweets, of designs that are explained';
COMMENT ON COLUMN inclusion.u IS 'the tweet''s permanent random number, 0 to 1; always under pi';
COMMENT ON COLUMN inclusion.designs IS 'the designs that drew it';
