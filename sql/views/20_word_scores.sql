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
    list({'target': e.target, 'scores': list_transform(e.words, lambda w: CAST(w.score AS DOUBLE))} ORDER BY e.target)
        AS targets
FROM explanations AS e JOIN model_labels AS m USING (model_version)
WHERE e.converged AND list_contains(m.labels, e.target)
GROUP BY e.tweet_id, e.model_version, e.method, e.baseline
HAVING count(*) = any_value(len(m.labels)) AND count(DISTINCT hash(list_transform(e.words, lambda w: w.word))) = 1;
COMMENT ON VIEW complete_explanations IS
    'one row a tweet, model, method and baseline, where every label of the model was explained and converged';
COMMENT ON COLUMN complete_explanations.targets IS 'per label the scores of the words, logits, not centred';

-- Softmax ignores a shift common to all logits: only a score minus the mean over all labels says something about one.
CREATE VIEW centred_word_scores AS
WITH centred AS (
    SELECT
        tweet_id, model_version, method, baseline, label, computed_at, words, unnest(targets) AS target,
        list_transform(
            generate_series(1, len(words)),
            lambda i: list_avg(list_transform(targets, lambda t: t.scores[i]))
        ) AS mean_scores
    FROM complete_explanations
)
SELECT
    tweet_id, model_version, method, baseline, target.target AS target, label, computed_at,
    generate_subscripts(words, 1) AS position, unnest(words) AS word,
    unnest(list_transform(target.scores, lambda s, i: s - mean_scores[i])) AS score
FROM centred;
COMMENT ON VIEW centred_word_scores IS
    'one row a tweet, model, method, baseline, target and word, where every label of the model was explained and converged';
COMMENT ON COLUMN centred_word_scores.score IS 'logits of the target minus the mean over all labels; sums to 0 over targets';

CREATE VIEW last_explained AS
SELECT model_version, method, baseline FROM explanations
WHERE converged
ORDER BY computed_at DESC, model_version, method, baseline LIMIT 1;
COMMENT ON VIEW last_explained IS 'the model, method and baseline explained last: what current_… views answer for';

CREATE VIEW current_centred_word_scores AS
SELECT * FROM centred_word_scores SEMI JOIN last_explained USING (model_version, method, baseline);
COMMENT ON VIEW current_centred_word_scores IS 'centred_word_scores of the model, method and baseline explained last';

-- The race in each tweet: its best label, the runner-up, and how much each word favours the one over the other.
CREATE VIEW current_word_pushes AS
WITH logits AS (
    SELECT e.tweet_id, e.target, e.logit, row_number() OVER (PARTITION BY e.tweet_id ORDER BY e.logit DESC, e.target) AS place
    FROM explanations AS e SEMI JOIN complete_explanations USING (tweet_id, model_version, method, baseline)
    SEMI JOIN last_explained USING (model_version, method, baseline)
),
races AS (
    SELECT a.tweet_id, a.target AS label, b.target AS runner_up, a.logit - b.logit AS lead
    FROM logits AS a JOIN logits AS b ON b.tweet_id = a.tweet_id AND a.place = 1 AND b.place = 2
)
SELECT
    r.tweet_id, r.label, r.runner_up, r.lead, s.word,
    sum(CASE WHEN s.target = r.label THEN s.score ELSE -s.score END) AS push
FROM races AS r
JOIN current_centred_word_scores AS s ON s.tweet_id = r.tweet_id AND s.target IN (r.label, r.runner_up)
GROUP BY r.tweet_id, r.label, r.runner_up, r.lead, s.word;
COMMENT ON VIEW current_word_pushes IS
    'one row a tweet and word, of the model, method and baseline explained last: what it does between label and runner-up';
COMMENT ON COLUMN current_word_pushes.lead IS 'logits of the label above the runner-up';
COMMENT ON COLUMN current_word_pushes.push IS 'logits by which the word favours the label over the runner-up';
