CREATE VIEW effects AS
SELECT * FROM effects_parts
QUALIFY row_number() OVER (
    PARTITION BY model_version, word, edit, tweet_id ORDER BY computed_at DESC NULLS LAST, run_id DESC
) = 1;
COMMENT ON VIEW effects IS 'one row a model, word, edit and tweet that held the word: the latest computed';
COMMENT ON COLUMN effects.role IS 'candidate, or control: a word of like frequency that goes with no label in training';
COMMENT ON COLUMN effects.edit IS 'delete, or replace by a neutral word of its kind';
COMMENT ON COLUMN effects.before IS 'per label: logit (raw, fp32) and p of the tweet as it is';
COMMENT ON COLUMN effects.after IS 'the same without the word';

CREATE VIEW effect_scores AS
WITH changes AS (
    SELECT
        *, unnest(before) AS old, unnest(after) AS new,
        list_avg(list_transform(before, lambda s: CAST(s.logit AS DOUBLE)))
            - list_avg(list_transform(after, lambda s: CAST(s.logit AS DOUBLE))) AS shift
    FROM effects
)
SELECT
    e.model_version, e.word, e.role, e.edit, e.replacement, e.tweet_id, t.author, old.label AS label,
    CAST(old.logit AS DOUBLE) - CAST(new.logit AS DOUBLE) - shift AS score,
    CAST(old.p AS DOUBLE) - CAST(new.p AS DOUBLE) AS change_of_p,
    label_before <> label_after AND old.label IN (label_before, label_after) AS flipped
FROM changes AS e LEFT JOIN tweets AS t USING (tweet_id);
COMMENT ON VIEW effect_scores IS 'one row a model, word, edit, tweet and label: what the word''s presence adds';
COMMENT ON COLUMN effect_scores.score IS 'centred logits, before minus after: above 0 when the word pushes towards the label';
COMMENT ON COLUMN effect_scores.change_of_p IS 'probability, before minus after';
COMMENT ON COLUMN effect_scores.flipped IS 'true: the edit gave the tweet this label or took it away';

-- The error is by author where at least 10 wrote the tweets, else by tweet (each tweet its own cluster).
CREATE TABLE word_label_edit AS
WITH authors AS (
    SELECT model_version, word, edit, count(DISTINCT author) >= 10 AS enough FROM effect_scores GROUP BY ALL
),
clusters AS (
    SELECT
        model_version, word, edit, label,
        CASE WHEN enough THEN coalesce('author ' || author, 'tweet ' || tweet_id) ELSE 'tweet ' || tweet_id END AS cluster,
        any_value(role) AS role, any_value(enough) AS by_author, count(*) AS n, sum(score) AS x,
        sum(change_of_p) AS change_of_p, count(*) FILTER (flipped) AS flips
    FROM effect_scores JOIN authors USING (model_version, word, edit)
    GROUP BY ALL
)
SELECT
    model_version, word, any_value(role) AS role, edit, label,
    CAST(sum(n) AS BIGINT) AS tweets, any_value(by_author) AS by_author, count(*) AS clusters,
    sum(x) / sum(n) AS mean_score,
    cluster_error(x, n) AS se,
    sum(change_of_p) / sum(n) AS mean_change_of_p, sum(flips) / sum(n) AS flip_rate
FROM clusters
GROUP BY model_version, word, edit, label;
COMMENT ON TABLE word_label_edit IS 'one row a model, word, edit and label: the mean effect over the edited tweets';
COMMENT ON COLUMN word_label_edit.by_author IS 'true: se is clustered by author; false: by tweet, because fewer than 10 authors wrote them';
COMMENT ON COLUMN word_label_edit.mean_score IS 'centred logits a tweet that the word adds to the label';
COMMENT ON COLUMN word_label_edit.se IS 'centred logits; null with a single cluster';
COMMENT ON COLUMN word_label_edit.mean_change_of_p IS 'probability that the word adds to the label';
COMMENT ON COLUMN word_label_edit.flip_rate IS 'share of tweets that the edit gave the label or took it from, 0 to 1';

-- With enough tweets every word differs from 0. The floor is what words that should not matter do: the 95th percentile of
-- their |mean| among control words of like frequency (a factor of two either way), all of them where fewer than 20 are.
CREATE TABLE effect_floor AS
WITH means AS (
    SELECT model_version, edit, role, word, CAST(floor(log2(tweets)) AS INTEGER) AS bin, abs(mean_score) AS size
    FROM word_label_edit
),
near AS (
    SELECT b.model_version, b.edit, b.bin, count(DISTINCT c.word) AS words, quantile_cont(c.size, 0.95) AS size
    FROM (SELECT DISTINCT model_version, edit, bin FROM means) AS b
    JOIN means AS c ON c.model_version = b.model_version AND c.edit = b.edit AND abs(c.bin - b.bin) <= 1
    WHERE c.role = 'control'
    GROUP BY ALL
),
everywhere AS (
    SELECT model_version, edit, count(DISTINCT word) AS words, quantile_cont(size, 0.95) AS size
    FROM means WHERE role = 'control' GROUP BY ALL
)
SELECT
    model_version, edit, bin, coalesce(CASE WHEN n.words >= 20 THEN n.words END, e.words) AS control_words,
    CASE WHEN e.words > 0 THEN greatest(0.05, CASE WHEN n.words >= 20 THEN n.size ELSE e.size END) END AS floor
FROM (SELECT DISTINCT model_version, edit, bin FROM means)
LEFT JOIN near AS n USING (model_version, edit, bin) LEFT JOIN everywhere AS e USING (model_version, edit);
COMMENT ON TABLE effect_floor IS 'one row a model, edit and frequency bin: the effect that a word must exceed to matter';
COMMENT ON COLUMN effect_floor.bin IS 'floor of log2 of the edited tweets';
COMMENT ON COLUMN effect_floor.floor IS 'centred logits, at least 0.05; null without control words: nothing can be confirmed then';

-- Both edits must agree: a word's effect is that of the edit that changes less.
CREATE VIEW word_label_effect AS
WITH tested AS (
    SELECT
        e.*, f.floor, f.control_words,
        student_z((mean_score - floor) / nullif(se, 0), clusters - 1) AS z_towards,
        student_z((-mean_score - floor) / nullif(se, 0), clusters - 1) AS z_away
    FROM word_label_edit AS e
    LEFT JOIN effect_floor AS f
        ON f.model_version = e.model_version AND f.edit = e.edit AND f.bin = CAST(floor(log2(e.tweets)) AS INTEGER)
)
SELECT
    model_version, word, word_kind(word) AS kind, role, label, edit, count(*) OVER edits_of_it AS edits, tweets, by_author,
    mean_score, se, mean_score - 1.96 * se AS low, mean_score + 1.96 * se AS high, mean_change_of_p, flip_rate, floor,
    max(coalesce(normal_tail(z_towards), 1)) OVER edits_of_it AS p_towards,
    max(coalesce(normal_tail(z_away), 1)) OVER edits_of_it AS p_away
FROM tested
WINDOW edits_of_it AS (PARTITION BY model_version, word, label)
QUALIFY row_number() OVER (PARTITION BY model_version, word, label ORDER BY abs(mean_score), edit) = 1;
COMMENT ON VIEW word_label_effect IS
    'one row a model, word and label: what deleting or replacing the word takes away, by the edit that changes less';
COMMENT ON COLUMN word_label_effect.mean_score IS 'centred logits a tweet that the word adds to the label';
COMMENT ON COLUMN word_label_effect.floor IS 'centred logits: the effect of control words of like frequency';
COMMENT ON COLUMN word_label_effect.p_towards IS 'one-sided, that the effect is not above the floor; the larger of the edits';
COMMENT ON COLUMN word_label_effect.p_away IS 'one-sided, that the effect is not below minus the floor; the larger of the edits';
