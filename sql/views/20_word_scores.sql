CREATE VIEW word_scores AS
SELECT
    tweet_id, model_version, method, baseline, target, label, converged, computed_at, position,
    item.word AS word, item.surface AS surface, item.start AS start, item.stop AS stop,
    CAST(item.score AS DOUBLE) AS score
FROM (
    SELECT *, unnest(words) AS item, generate_subscripts(words, 1) AS position
    FROM explanations
);
COMMENT ON VIEW word_scores IS 'one row an explanation and word; unconverged explanations too';
COMMENT ON COLUMN word_scores.position IS 'of the word in the tweet, from 1';
COMMENT ON COLUMN word_scores.score IS 'logits of the target, signed, not centred';
COMMENT ON COLUMN word_scores.label IS 'the label the tweet was given';

-- Softmax ignores a shift common to all logits: only a score minus the mean over all labels says something about one.
CREATE VIEW centred_word_scores AS
WITH model_labels AS (
    SELECT model_version, arg_max(labels, seen_at) AS labels FROM models GROUP BY model_version
),
complete AS (
    SELECT e.tweet_id, e.model_version, e.method, e.baseline
    FROM explanations AS e JOIN model_labels AS m USING (model_version)
    WHERE e.converged AND list_contains(m.labels, e.target)
    GROUP BY e.tweet_id, e.model_version, e.method, e.baseline
    HAVING count(*) = any_value(len(m.labels))
        AND count(DISTINCT list_transform(e.words, lambda w: w.word)) = 1
)
SELECT
    w.tweet_id, w.model_version, w.method, w.baseline, w.target, w.label, w.computed_at, w.position, w.word,
    w.score - avg(w.score) OVER (
        PARTITION BY w.tweet_id, w.model_version, w.method, w.baseline, w.position
    ) AS score
FROM word_scores AS w
JOIN model_labels AS m USING (model_version)
JOIN complete USING (tweet_id, model_version, method, baseline)
WHERE list_contains(m.labels, w.target);
COMMENT ON VIEW centred_word_scores IS
    'one row a tweet, model, method, baseline, target and word, where every label of the model was explained and converged';
COMMENT ON COLUMN centred_word_scores.score IS 'logits of the target minus the mean over all labels; sums to 0 over targets';

CREATE VIEW current_centred_word_scores AS
SELECT * FROM centred_word_scores
WHERE (model_version, method, baseline) IN (
    SELECT (model_version, method, baseline) FROM centred_word_scores
    ORDER BY computed_at DESC, model_version, method, baseline LIMIT 1
);
COMMENT ON VIEW current_centred_word_scores IS 'centred_word_scores of the model, method and baseline explained last';
