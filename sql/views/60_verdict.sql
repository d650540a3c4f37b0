CREATE VIEW decisions AS
SELECT * FROM decisions_parts
QUALIFY row_number() OVER (PARTITION BY word, label ORDER BY reviewer, note) = 1;
COMMENT ON VIEW decisions IS 'one row a word and label: what a reviewer decided';
COMMENT ON COLUMN decisions.decision IS 'bias, expected, or unsure';

-- The test of reliance asks whether other tweets of other authors would show it too, so its error is by author where at
-- least 10 wrote the tweets; and as in the edits, no author counts for more than three tweets then: a mean that one author
-- makes has no error worth the name. That needs the scores themselves, so only words that were edited get it.
CREATE TABLE word_label_clustered AS
WITH scores AS (
    SELECT s.model_version, s.method, s.baseline, s.word, s.label, s.tweet_id, t.author, s.x AS score, s.w, s.e
    FROM edited_scores_parts AS s LEFT JOIN tweets AS t USING (tweet_id)
),
authors AS (
    SELECT model_version, method, baseline, word, count(DISTINCT author) >= 10 AS enough FROM scores GROUP BY ALL
),
clusters AS (
    SELECT
        model_version, method, baseline, word, label,
        cluster_name(enough, author, tweet_id) AS cluster,
        any_value(enough) AS by_author, least(1, 3 / count(*)) AS share, share * sum(w) AS n,
        share * sum(w * score) AS x, share * sum(w * e) AS missed
    FROM scores JOIN authors USING (model_version, method, baseline, word)
    GROUP BY ALL
)
SELECT
    model_version, method, baseline, word, label, any_value(by_author) AS by_author,
    sum(x) / sum(n) AS mean_score, sum(missed) / sum(n) AS error_bound, cluster_error(x, n) AS se_cluster, effective_df(sum(n ** 2), sum(n ** 4)) AS df
FROM clusters
GROUP BY model_version, method, baseline, word, label;
COMMENT ON TABLE word_label_clustered IS
    'one row a model, method, baseline, edited word and label: its reliance with no author counting for more than three tweets, and the error of that by author';
COMMENT ON COLUMN word_label_clustered.by_author IS 'true: by author; false: by tweet, and every tweet counts, because fewer than 10 authors wrote them';
COMMENT ON COLUMN word_label_clustered.mean_score IS 'centred logits a tweet that holds the word';
COMMENT ON COLUMN word_label_clustered.error_bound IS 'as in word_label_reliance, of these tweets';
COMMENT ON COLUMN word_label_clustered.se_cluster IS 'centred logits; null with a single cluster';
COMMENT ON COLUMN word_label_clustered.df IS 'degrees of freedom of se_cluster';

-- The three witnesses side by side, each with its one-sided p in either direction. Reliance and effect are logits, both, so
-- an edited word has one floor: what edits of control words do. Attributions of control words stray further than what
-- the words do, and a floor made of them would ask more of reliance than of the effect.
CREATE VIEW word_label_witnesses AS
WITH measured AS (
    SELECT
        r.* REPLACE (
            coalesce(c.mean_score, r.mean_score) AS mean_score, coalesce(c.df, r.df) AS df,
            coalesce(c.error_bound, r.error_bound) AS error_bound
        ),
        coalesce(e.floor, f.floor) AS floor, coalesce(c.se_cluster, r.se_tweet) AS se,
        CASE WHEN e.tweets IS NOT NULL THEN coalesce(c.by_author, false) AND e.by_author END AS by_author,
        e.tweets AS edited_tweets, e.mean_score AS effect, e.low AS effect_low, e.high AS effect_high,
        e.floor AS effect_floor, e.within_floor AS effect_within_floor, e.whole_score AS effect_whole,
        e.mean_change_of_p AS effect_on_p, e.flip_rate, e.p_towards AS effect_p_towards, e.p_away AS effect_p_away,
        e.deleted_p_towards, e.deleted_p_away, e.replaced_less
    FROM label_reliance AS r
    LEFT JOIN control_floor AS f
        ON f.model_version = r.model_version AND f.measure = r.method || ' from ' || r.baseline
        AND f.bin = frequency_bin(r.tweets)
    LEFT JOIN word_label_clustered AS c
        ON c.model_version = r.model_version AND c.method = r.method AND c.baseline = r.baseline
        AND c.word = r.word AND c.label = r.label
    LEFT JOIN word_label_effect AS e ON e.model_version = r.model_version AND e.word = r.word AND e.label = r.label
),
reliance AS (
    SELECT
        *, student_z((mean_score - floor - error_bound) / nullif(se, 0), df) AS z_towards,
        student_z((-mean_score - floor - error_bound) / nullif(se, 0), df) AS z_away
    FROM measured
)
SELECT
    r.model_version, r.method, r.baseline, r.word, r.kind, r.label,
    a.docs, a.log_odds AS association, a.low AS association_low, a.high AS association_high,
    r.tweets, r.mean_score AS reliance, r.mean_score - student_975(r.df) * r.se - r.error_bound AS reliance_low,
    r.mean_score + student_975(r.df) * r.se + r.error_bound AS reliance_high, r.floor AS reliance_floor,
    r.edited_tweets, r.effect, r.effect_low, r.effect_high, r.effect_floor, r.effect_within_floor, r.effect_whole,
    r.effect_on_p, r.flip_rate, r.by_author,
    a.p_towards AS association_p_towards, a.p_away AS association_p_away,
    normal_tail(r.z_towards) AS reliance_p_towards, normal_tail(r.z_away) AS reliance_p_away,
    r.effect_p_towards, r.effect_p_away, r.deleted_p_towards, r.deleted_p_away, r.replaced_less
FROM reliance AS r
LEFT JOIN word_label_association AS a ON a.model_version = r.model_version AND a.word = r.word AND a.label = r.label;
COMMENT ON VIEW word_label_witnesses IS
    'one row a model, method, baseline, word or kind (<hashtag>), and label of the sampled tweets: association in the data, reliance of the model, causal effect';

-- What pushes towards a label that is what no topic is speaks for none of them; it is tested, in a family of its own, and is no
-- bias. Words are tested beside kinds, in one family.
-- A bias needs all three witnesses in one direction: its p is the largest of theirs (intersection-union), the better of
-- the two directions doubled. Benjamini-Hochberg then runs once, over all pairs that could be confirmed: no concept word
-- (it is expected), and seen in 5 training documents and 10 sampled tweets. How often a word is seen says nothing about
-- which label it goes with, so the filter leaves the rate of false discoveries as it is (Bourgon et al. 2010). A word
-- that was not edited has p = 1. Most pairs are of words in under ten sampled tweets, which nobody edited: nothing
-- can follow from them, and they have no row.
-- First a table, because its rows have numbers already: to number those of a query takes as long as all the rest.
CREATE TEMP TABLE tested_pairs AS
SELECT
    w.*,
    two_sided(association_p_towards, association_p_away) AS association_p,
    two_sided(reliance_p_towards, reliance_p_away) AS reliance_p,
    two_sided(effect_p_towards, effect_p_away) AS effect_p,
    greatest(coalesce(association_p_towards, 1), coalesce(reliance_p_towards, 1), coalesce(effect_p_towards, 1)) AS p_towards,
    greatest(coalesce(association_p_away, 1), coalesce(reliance_p_away, 1), coalesce(effect_p_away, 1)) AS p_away,
    two_sided(p_towards, p_away) AS p_verdict,
    CASE
        WHEN kind IN ('handle', 'hashtag', 'link', 'emoji', 'number') THEN two_sided(deleted_p_towards, deleted_p_away)
    END AS deleted_p,
    l.label IS NOT NULL AS residual,
    c.word IS NOT NULL AS concept,
    c.word IS NULL AND coalesce(docs, 0) >= 5 AND tweets >= 10 AND d.model_version IS NULL AS in_family
FROM word_label_witnesses AS w LEFT JOIN (SELECT DISTINCT word FROM concepts) AS c USING (word)
LEFT JOIN residual_labels AS l ON l.model_version = w.model_version AND l.label = w.label
LEFT JOIN distorted_samples AS d
    ON d.model_version = w.model_version AND d.method = w.method AND d.baseline = w.baseline
WHERE (tweets >= 10 OR edited_tweets IS NOT NULL OR concept) AND NOT is_fragment(w.word);

CREATE TABLE word_label_verdict AS
WITH p AS (  -- narrow, because a window sorts whatever it is given; of numbers, which sort faster than names
    SELECT
        rowid AS pair, hash(model_version, method, baseline) AS scope,
        unnest([1, 2, 3, 4, 5, 6]) AS test,
        unnest([
            association_p, reliance_p, effect_p, CASE WHEN in_family AND NOT residual THEN p_verdict END,
            CASE WHEN in_family AND residual THEN p_verdict END, deleted_p
        ]) AS p
    FROM tested_pairs
),
ranked AS (
    SELECT *, count(*) OVER family AS tests, row_number() OVER (family ORDER BY p) AS rank
    FROM p WHERE p IS NOT NULL
    WINDOW family AS (PARTITION BY scope, test)
),
adjusted AS (
    SELECT
        pair, test, min(least(1, p * tests / rank)) OVER (
            PARTITION BY scope, test ORDER BY rank DESC ROWS UNBOUNDED PRECEDING
        ) AS q
    FROM ranked
),
q AS (
    SELECT
        pair, any_value(q) FILTER (test = 1) AS association_q, any_value(q) FILTER (test = 2) AS reliance_q,
        any_value(q) FILTER (test = 3) AS effect_q, any_value(q) FILTER (test IN (4, 5)) AS q_verdict,
        any_value(q) FILTER (test = 6) AS deleted_q
    FROM adjusted
    GROUP BY pair
),
rest AS (  -- words that speak for no topic: that they speak against each of them follows
    SELECT DISTINCT model_version, method, baseline, word, true AS for_no_topic
    FROM tested_pairs AS v JOIN q ON q.pair = v.rowid
    WHERE v.residual AND q.q_verdict < 0.05 AND v.p_towards <= v.p_away
)
SELECT
    v.model_version, v.method, v.baseline, v.word, v.kind, v.label,
    v.docs, v.association, v.association_low, v.association_high, q.association_q,
    v.tweets, v.reliance, v.reliance_low, v.reliance_high, q.reliance_q, v.reliance_floor,
    v.edited_tweets, v.effect, v.effect_low, v.effect_high, q.effect_q, v.effect_floor,
    v.effect_whole, v.effect_on_p, v.flip_rate,
    v.by_author, v.p_verdict, q.q_verdict,
    CASE
        WHEN v.concept THEN 'expected'
        WHEN q.q_verdict < 0.05 AND v.residual THEN 'residual'
        WHEN q.q_verdict < 0.05 AND v.p_towards <= v.p_away THEN 'confirmed_bias'
        WHEN q.q_verdict < 0.05 AND rest.for_no_topic THEN 'residual'
        WHEN q.q_verdict < 0.05 THEN 'confirmed_away'
        -- its deletion moves the label, and another of its kind in its place leaves it where it was
        WHEN q.reliance_q < 0.05 AND q.deleted_q < 0.05 AND v.replaced_less
            AND (v.reliance_p_towards < v.reliance_p_away) = (v.deleted_p_towards < v.deleted_p_away) THEN 'kind_only'
        WHEN q.reliance_q < 0.05 AND q.effect_q < 0.05 AND sign(v.reliance) = sign(v.effect)
            -- tied to the label in training, or perhaps: too few documents or tweets to confirm it, but no news from nowhere
            THEN CASE WHEN q.association_q < 0.05 THEN 'unconfirmed' ELSE 'model_only' END
        WHEN q.association_q < 0.05 AND q.reliance_q < 0.05 AND q.effect_q < 0.05 THEN 'unconfirmed'
        WHEN q.association_q < 0.05 AND q.reliance_q < 0.05 AND sign(v.association) = sign(v.reliance)
            AND v.edited_tweets >= enough_edits() THEN 'not_decisive'
        -- not shown is not absent: a word is unused only when every interval says that it cannot matter
        WHEN q.association_q < 0.05 AND v.tweets >= 10
            AND -v.reliance_floor < v.reliance_low AND v.reliance_high < v.reliance_floor
            AND coalesce(v.effect_within_floor, true) THEN 'unused_association'
        WHEN v.tweets >= enough_tweets() AND v.edited_tweets >= enough_edits() THEN 'no_finding'
        ELSE 'weak'
    END AS verdict,
    d.decision, d.note
FROM tested_pairs AS v LEFT JOIN q ON q.pair = v.rowid LEFT JOIN decisions AS d ON d.word = v.word AND d.label = v.label
LEFT JOIN rest ON rest.model_version = v.model_version AND rest.method = v.method AND rest.baseline = v.baseline
    AND rest.word = v.word;
DROP TABLE tested_pairs;
COMMENT ON TABLE word_label_verdict IS
    'one row a model, method, baseline, word or kind (<hashtag>), and label, of words in ten or more sampled tweets, edited words and concept words: the three witnesses, and what follows from them';
COMMENT ON COLUMN word_label_verdict.association IS 'log-odds ratio in the training split, with its 95 % interval';
COMMENT ON COLUMN word_label_verdict.reliance IS
    'centred logits a tweet (Integrated Gradients), with its 95 % interval by author or tweet; of an edited word no author counts for more than three tweets where ten or more wrote it, else as in word_label_reliance';
COMMENT ON COLUMN word_label_verdict.reliance_floor IS
    'centred logits: of an edited word the floor of its effect, where there is one; else that of control words'' reliance';
COMMENT ON COLUMN word_label_verdict.effect IS
    'centred logits a tweet that the word adds once its companions are deleted (in whole tweets where it has none), with its 95 % interval by author or tweet';
COMMENT ON COLUMN word_label_verdict.effect_whole IS 'centred logits a tweet that it adds in whole tweets; effect_on_p and flip_rate are of these, too';
COMMENT ON COLUMN word_label_verdict.by_author IS
    'true: reliance and effect have their errors by author; false: one of them by tweet, because fewer than 10 authors wrote those, and one author may be all of it (see word_authors); null: the word was not edited';
COMMENT ON COLUMN word_label_verdict.p_verdict IS 'that not all three witnesses speak in one direction; reliance and effect must exceed their floors';
COMMENT ON COLUMN word_label_verdict.q_verdict IS 'false discovery rate (Benjamini-Hochberg over all pairs that could be confirmed; of a label in residual_labels, over those of such labels); null for concept words and for words in fewer than 5 training documents or 10 sampled tweets; the q of single witnesses only describe';
COMMENT ON COLUMN word_label_verdict.verdict IS
    'expected: a concept word; confirmed_bias or confirmed_away: all three, towards or away; kind_only: deleted it moves the label, replaced by another of its kind it does not, so the model uses that one is there (see the row of the kind); unconfirmed: the model uses it and training ties it to the label, but too few tweets or documents, or the three point apart; model_only: used, and no association is shown; not_decisive: training ties it to the label and the model relies on it, but taking it out of 20 tweets or more changes nothing that is shown; residual: it would be confirmed, of a label that is what no topic is, or against a topic because it is towards such a label; unused_association: in the data, and the intervals of reliance (10 tweets or more) and of each edit lie within their floors; no_finding: explained in 50 tweets or more and edited in 20, and none of these; weak: of fewer tweets, undecided';

CREATE VIEW current_word_label_verdict AS
SELECT * FROM word_label_verdict SEMI JOIN last_explained USING (model_version, method, baseline);
COMMENT ON VIEW current_word_label_verdict IS 'word_label_verdict of the model, method and baseline explained last';
