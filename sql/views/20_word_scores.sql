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

CREATE VIEW model_labels AS
SELECT model_version, arg_max(labels, seen_at) AS labels FROM models GROUP BY model_version;
COMMENT ON VIEW model_labels IS 'one row a model version: its labels, in the order of its logits';

-- A tweet's explanations side by side. Centring one tweet at a time needs no sort of all word scores.
CREATE VIEW complete_explanations AS
SELECT
    e.tweet_id, e.model_version, e.method, e.baseline, any_value(e.label) AS label, max(e.computed_at) AS computed_at,
    list_transform(any_value(e.words), lambda w: w.word) AS words,
    bool_and(coalesce(e.converged, false)) AS converged,
    list({
        'target': e.target, 'delta': e.delta, 'scores': list_transform(e.words, lambda w: CAST(w.score AS DOUBLE))
    } ORDER BY e.target) AS targets
FROM explanations AS e JOIN model_labels AS m USING (model_version)
WHERE isfinite(e.delta) AND list_contains(m.labels, e.target)
GROUP BY e.tweet_id, e.model_version, e.method, e.baseline
HAVING count(*) = any_value(len(m.labels)) AND count(DISTINCT hash(list_transform(e.words, lambda w: w.word))) = 1;
COMMENT ON VIEW complete_explanations IS
    'one row per tweet, model, method and baseline, where every label of the model was explained by scores that are numbers';
COMMENT ON COLUMN complete_explanations.converged IS 'true: every label''s explanation adds up to 5 %; the others count too, with their error';
COMMENT ON COLUMN complete_explanations.targets IS 'per label the scores of the words and what they miss (delta), logits, not centred';

-- Softmax ignores a shift common to all logits: only a score minus the mean over all labels says something about one.
CREATE VIEW centred_word_scores AS
WITH centred AS (
    SELECT
        tweet_id, model_version, method, baseline, label, computed_at, words, unnest(targets) AS target, converged,
        list_avg(list_transform(targets, lambda t: t.delta)) AS mean_delta,
        list_transform(
            generate_series(1, len(words)),
            lambda i: list_avg(list_transform(targets, lambda t: t.scores[i]))
        ) AS mean_scores
    FROM complete_explanations
)
SELECT
    tweet_id, model_version, method, baseline, target.target AS target, label, computed_at,
    generate_subscripts(words, 1) AS position, unnest(words) AS word,
    unnest(list_transform(target.scores, lambda s, i: s - mean_scores[i])) AS score,
    CASE WHEN converged THEN 0 ELSE abs(target.delta - mean_delta) END AS error
FROM centred;
COMMENT ON VIEW centred_word_scores IS
    'one row per tweet, model, method, baseline, target and word, where every label of the model was explained by scores that are numbers';
COMMENT ON COLUMN centred_word_scores.score IS 'logits of the target minus the mean over all labels; sums to 0 over targets';
COMMENT ON COLUMN centred_word_scores.error IS
    'centred logits that the explanation misses where a label of the tweet did not converge, else 0: a score may be off by as much';
