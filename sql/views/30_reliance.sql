CREATE VIEW word_label_reliance AS
WITH per_tweet AS (
    SELECT model_version, method, baseline, word, target AS label, tweet_id, sum(score) AS score, count(*) AS occurrences
    FROM centred_word_scores
    GROUP BY ALL
),
summed AS (
    SELECT
        model_version, method, baseline, word, word_kind(word) AS kind, label,
        count(*) AS tweets, CAST(sum(occurrences) AS BIGINT) AS occurrences,
        avg(score) AS mean_score, stddev_samp(score) / sqrt(count(*)) AS se,
        sum(score) AS total_score, avg(CAST(score > 0 AS DOUBLE)) AS share_positive
    FROM per_tweet
    GROUP BY ALL
)
SELECT
    model_version, method, baseline, word, kind, label, tweets, occurrences, mean_score, se,
    mean_score - 1.96 * se AS low, mean_score + 1.96 * se AS high, total_score, share_positive
FROM summed;
COMMENT ON VIEW word_label_reliance IS
    'one row a model, method, baseline, word and label: how much the word moves the label; explained tweets count alike, whatever their design';
COMMENT ON COLUMN word_label_reliance.mean_score IS 'centred logits a tweet; occurrences in one tweet are summed first';
COMMENT ON COLUMN word_label_reliance.se IS 'centred logits, by tweet; null for a single tweet';
COMMENT ON COLUMN word_label_reliance.low IS 'centred logits: mean_score - 1.96 se';
COMMENT ON COLUMN word_label_reliance.high IS 'centred logits: mean_score + 1.96 se';
COMMENT ON COLUMN word_label_reliance.total_score IS 'centred logits, summed over tweets';
COMMENT ON COLUMN word_label_reliance.share_positive IS 'share of tweets, 0 to 1';

CREATE VIEW current_word_label_reliance AS
SELECT r.* FROM word_label_reliance AS r
WHERE (r.model_version, r.method, r.baseline) IN (
    SELECT (model_version, method, baseline) FROM centred_word_scores
    ORDER BY computed_at DESC, model_version, method, baseline LIMIT 1
);
COMMENT ON VIEW current_word_label_reliance IS 'word_label_reliance of the model, method and baseline explained last';
