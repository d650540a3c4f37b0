-- The audit is of a sample: one text explained by another model, or from another baseline, must not empty it.
CREATE TABLE explained AS
WITH scopes AS (
    SELECT model_version, method, baseline, max(computed_at) AS explained_at
    FROM explanation_index
    WHERE computed_at IS NOT NULL
    GROUP BY model_version, method, baseline
),
samples AS (
    SELECT DISTINCT model_version, method, baseline, true AS sampled FROM word_label_sums
)
SELECT
    model_version, method, baseline, explained_at, coalesce(s.sampled, false) AS sampled,
    row_number() OVER (ORDER BY s.sampled NULLS LAST, explained_at DESC, model_version, method, baseline) AS place
FROM scopes LEFT JOIN samples AS s USING (model_version, method, baseline);
COMMENT ON TABLE explained IS 'one row a model, method and baseline of which there are explanations, as of the last refresh';
COMMENT ON COLUMN explained.explained_at IS 'the last time, UTC';
COMMENT ON COLUMN explained.sampled IS 'true: of a sample; false: of hand-picked tweets and texts alone';
COMMENT ON COLUMN explained.place IS 'from 1: those of samples first, then the last first';

-- Every current_... view asks this, so it reads no part.
CREATE VIEW last_explained AS SELECT model_version, method, baseline FROM explained WHERE place = 1;
COMMENT ON VIEW last_explained IS
    'the model, method and baseline of the last explained sample: what current_… views answer for; where there is no sample, of the last explanation';

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

CREATE VIEW current_word_label_reliance AS
SELECT * FROM word_label_reliance SEMI JOIN last_explained USING (model_version, method, baseline);
COMMENT ON VIEW current_word_label_reliance IS 'word_label_reliance of the model, method and baseline explained last';
