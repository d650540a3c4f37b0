-- The words that always come with a word hide what it does, so its effect is what it does once they are gone. Where too
-- little is left without them, or it has none, it is that in whole tweets: of deletion and replacement, which must agree,
-- the one that changes less. Of a kind (<hashtag>) the two are the deletion of all its words, and that of a neutral word put in
-- the place of each: what any word of the kind does, whichever it is.
CREATE VIEW word_label_effect AS
WITH tested AS (
    SELECT
        e.*, edit = 'alone' AS alone, f.floor,
        mean_score - student_975(df) * se AS low, mean_score + student_975(df) * se AS high,
        normal_tail(student_z((mean_score - floor) / nullif(se, 0), df)) AS p_above,
        normal_tail(student_z((-mean_score - floor) / nullif(se, 0), df)) AS p_below
    FROM word_label_edit AS e
    LEFT JOIN control_floor AS f
        ON f.model_version = e.model_version AND f.measure = CASE e.edit WHEN 'neutral' THEN 'delete' ELSE e.edit END
        AND f.bin = frequency_bin(e.tweets)
),
ways AS (
    SELECT
        *, bool_and(p_above IS NOT NULL) OVER edits_of_way AS testable,  -- max alone would pass over one without an error
        CASE WHEN testable THEN max(p_above) OVER edits_of_way END AS p_towards,
        CASE WHEN testable THEN max(p_below) OVER edits_of_way END AS p_away,
        count(*) OVER edits_of_it AS edits,
        max(p_above) FILTER (edit = 'delete') OVER edits_of_it AS deleted_p_towards,
        max(p_below) FILTER (edit = 'delete') OVER edits_of_it AS deleted_p_away,
        coalesce(
            max(greatest(high, -low)) FILTER (edit = 'replace') OVER edits_of_it
                < max(greatest(low, -high)) FILTER (edit = 'delete') OVER edits_of_it,
            false
        ) AS replaced_less,
        bool_and(coalesce(-floor < low AND high < floor, false)) OVER edits_of_it AS within_floor
    FROM tested
    WINDOW
        edits_of_way AS (PARTITION BY model_version, word, label, alone),
        edits_of_it AS (PARTITION BY model_version, word, label)
    QUALIFY row_number() OVER (PARTITION BY model_version, word, label, alone ORDER BY abs(mean_score), edit) = 1
)
SELECT
    model_version, word, kind, role, label, edits, tweets, by_author, mean_score, se, df, low, high, floor, p_towards,
    p_away, within_floor, deleted_p_towards, deleted_p_away, replaced_less,
    max(mean_score) FILTER (NOT alone) OVER ways_of_it AS whole_score,
    max(mean_change_of_p) FILTER (NOT alone) OVER ways_of_it AS mean_change_of_p,
    max(flip_rate) FILTER (NOT alone) OVER ways_of_it AS flip_rate
FROM ways
WINDOW ways_of_it AS (PARTITION BY model_version, word, label)
QUALIFY row_number() OVER (PARTITION BY model_version, word, label ORDER BY alone DESC) = 1;
COMMENT ON VIEW word_label_effect IS
    'one row a model, word and label: what the word does to the label in tweets without its companions, or in whole ones where it has none';
COMMENT ON COLUMN word_label_effect.edits IS 'how many edits were made: delete, replace, alone, neutral';
COMMENT ON COLUMN word_label_effect.mean_score IS 'centred logits a tweet that the word adds to the label';
COMMENT ON COLUMN word_label_effect.floor IS 'centred logits: the effect of control words of like frequency';
COMMENT ON COLUMN word_label_effect.p_towards IS 'one-sided, that the effect is not above the floor; in whole tweets the larger of the edits; null where one of them has no error, as of a single tweet, or no floor';
COMMENT ON COLUMN word_label_effect.p_away IS 'one-sided, that the effect is not below minus the floor; in whole tweets the larger of the edits';
COMMENT ON COLUMN word_label_effect.within_floor IS 'true: the 95 % interval of each edit lies within its floor, so that the word is shown to do nothing';
COMMENT ON COLUMN word_label_effect.deleted_p_towards IS 'as p_towards, of the deletion from whole tweets alone';
COMMENT ON COLUMN word_label_effect.deleted_p_away IS 'as p_away, of the deletion from whole tweets alone';
COMMENT ON COLUMN word_label_effect.replaced_less IS
    'true: replaced by another of its kind it changes less than deleted, the 95 % intervals being apart';
COMMENT ON COLUMN word_label_effect.whole_score IS 'centred logits a tweet that it adds in whole tweets, deleted or replaced, whichever changes less';
COMMENT ON COLUMN word_label_effect.mean_change_of_p IS 'probability that it adds in whole tweets';
COMMENT ON COLUMN word_label_effect.flip_rate IS 'share of whole tweets that the edit gave the label or took it from, 0 to 1';
