CREATE VIEW effects AS
SELECT * FROM effects_parts
QUALIFY row_number() OVER (
    PARTITION BY model_version, word, edit, tweet_id ORDER BY computed_at DESC NULLS LAST, run_id DESC
) = 1;
COMMENT ON VIEW effects IS 'one row a model, word, edit and tweet that held the word: the latest computed';
COMMENT ON COLUMN effects.role IS 'candidate, or control: a word of like frequency that goes with no label in training';
COMMENT ON COLUMN effects.edit IS 'delete; replace by a neutral word of its kind; alone: delete it once its companions are; neutral, of a kind (<hashtag>): delete the words of the kind once each is replaced by the same neutral one';
COMMENT ON COLUMN effects.companions IS
    'of alone: the other words in half of the edited tweets or more, deleted from the tweet first, because words of a set phrase hide one another';
COMMENT ON COLUMN effects.before IS 'per label: logit (raw, fp32) and p of the tweet as it is; of alone: without the companions';
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
        cluster_name(enough, author, tweet_id) AS cluster,
        any_value(role) AS role, any_value(enough) AS by_author, count(*) AS n, sum(score) AS x,
        sum(change_of_p) AS change_of_p, count(*) FILTER (flipped) AS flips
    FROM effect_scores JOIN authors USING (model_version, word, edit)
    GROUP BY ALL
),
means AS (
    SELECT
        model_version, word, any_value(role) AS role, edit, label,
        CAST(sum(n) AS BIGINT) AS tweets, any_value(by_author) AS by_author,
        sum(x) / sum(n) AS mean_score,
        cluster_error(x, n) AS se, effective_df(sum(n ** 2), sum(n ** 4)) AS df,
        sum(change_of_p) / sum(n) AS mean_change_of_p, sum(flips) / sum(n) AS flip_rate
    FROM clusters
    GROUP BY model_version, word, edit, label
)
SELECT *, word_kind(word) AS kind FROM means;
COMMENT ON TABLE word_label_edit IS 'one row a model, word, edit and label: the mean effect over the edited tweets';
COMMENT ON COLUMN word_label_edit.tweets IS 'tweets that were edited, of different texts and spread over authors: at most three of one author where ten or more wrote some';
COMMENT ON COLUMN word_label_edit.by_author IS 'true: se is clustered by author; false: by tweet, because fewer than 10 authors wrote them';
COMMENT ON COLUMN word_label_edit.mean_score IS 'centred logits a tweet that the word adds to the label';
COMMENT ON COLUMN word_label_edit.se IS 'centred logits; null with a single cluster';
COMMENT ON COLUMN word_label_edit.df IS 'degrees of freedom of se: clusters less one where they hold as many tweets, fewer where few hold most';
COMMENT ON COLUMN word_label_edit.mean_change_of_p IS 'probability that the word adds to the label';
COMMENT ON COLUMN word_label_edit.flip_rate IS 'share of tweets that the edit gave the label or took it from, 0 to 1';
