-- A tweet that was asked for and cannot be explained (it failed, or its logits are no numbers) is missing, and if tweets of
-- one label are missing more often, every estimate is of the others. Explanations that did not converge are not
-- missing: they count, with their error.
CREATE VIEW sample_losses AS
WITH asked AS (
    SELECT model_version, method, baseline, tweet_id, any_value(label) AS label
    FROM requests_parts WHERE design_id IS NOT NULL
    GROUP BY ALL
),
numberless AS (
    SELECT tweet_id, model_version, method, baseline FROM explanation_index
    GROUP BY ALL HAVING NOT bool_or(finite)
),
failed AS (
    SELECT DISTINCT f.tweet_id, f.model_version, r.method, r.baseline
    FROM failures_parts AS f JOIN requests_parts AS r USING (batch, tweet_id, model_version)
),
lost AS (
    FROM numberless
    UNION
    FROM failed ANTI JOIN explanation_index USING (tweet_id, model_version, method, baseline)
)
SELECT
    a.model_version, a.method, a.baseline, a.label, count(*) AS tweets, count(l.tweet_id) AS lost,
    count(l.tweet_id) / count(*) AS share
FROM asked AS a LEFT JOIN lost AS l USING (model_version, method, baseline, tweet_id)
GROUP BY a.model_version, a.method, a.baseline, a.label;
COMMENT ON VIEW sample_losses IS
    'one row per model, method, baseline and label: sampled tweets that cannot be explained; too many of one label, and nothing is confirmed';
COMMENT ON COLUMN sample_losses.label IS 'the label that the tweets were given';
COMMENT ON COLUMN sample_losses.tweets IS 'sampled tweets whose explanation was asked for';
COMMENT ON COLUMN sample_losses.lost IS 'of these, those that failed or whose logits are no numbers';

CREATE VIEW distorted_samples AS
SELECT DISTINCT model_version, method, baseline FROM sample_losses WHERE lost >= 3 AND share > most_lost();
COMMENT ON VIEW distorted_samples IS
    'one row per model, method and baseline of whose sampled tweets too many of one label are lost (three, and one in twenty): nothing is confirmed there';
