-- A tweet's weight is 1 / pi only where what a design drew is there: of one that still waits, the tweets that another
-- design has brought would stand for themselves alone. So a design counts once nine tenths of what it drew are explained
-- or given up. Until the first is that far, the oldest of those under way does.
CREATE VIEW counted_designs AS
WITH met AS (
    SELECT tweet_id, model_version, method, baseline FROM explanation_index
    UNION ALL
    SELECT DISTINCT tweet_id, model_version, method, baseline
    FROM failures_parts JOIN (SELECT DISTINCT model_version, method, baseline FROM designs) USING (model_version)
),
drawn AS (
    SELECT d.*, w.tweet_id FROM draws_parts AS w JOIN designs AS d USING (design_id)
),
shares AS (
    SELECT d.*, coalesce(m.tweets, 0) / n.tweets AS met
    FROM designs AS d
    JOIN (SELECT design_id, count(*) AS tweets FROM draws_parts GROUP BY design_id) AS n USING (design_id)
    LEFT JOIN (
        SELECT design_id, count(*) AS tweets
        FROM drawn SEMI JOIN met USING (tweet_id, model_version, method, baseline)
        GROUP BY design_id
    ) AS m USING (design_id)
)
SELECT design_id, model_version, method, baseline, met FROM shares
WINDOW scope AS (PARTITION BY model_version, method, baseline)
QUALIFY met >= 0.9 OR (
    max(met) OVER scope < 0.9 AND row_number() OVER (
        PARTITION BY model_version, method, baseline ORDER BY met = 0, created_at, design_id
    ) = 1
);
COMMENT ON VIEW counted_designs IS
    'one row a sampling design that takes part in estimates: nine tenths of what it drew are explained or failed, or it is the first';
COMMENT ON COLUMN counted_designs.met IS 'share of the tweets that it drew which are explained or failed, 0 to 1';
