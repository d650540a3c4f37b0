-- Both edits must agree: a word's effect is that of the edit that changes less.
CREATE VIEW word_label_effect AS
WITH tested AS (
    SELECT
        e.*, f.floor, f.control_words,
        mean_score - student_975(df) * se AS low, mean_score + student_975(df) * se AS high,
        student_z((mean_score - floor) / nullif(se, 0), df) AS z_towards,
        student_z((-mean_score - floor) / nullif(se, 0), df) AS z_away
    FROM word_label_edit AS e
    LEFT JOIN control_floor AS f
        ON f.model_version = e.model_version AND f.measure = e.edit AND f.bin = frequency_bin(e.tweets)
)
SELECT
    model_version, word, kind, role, label, edit, count(*) OVER edits_of_it AS edits, tweets, by_author,
    mean_score, se, low, high, mean_change_of_p, flip_rate, floor,
    max(coalesce(normal_tail(z_towards), 1)) OVER edits_of_it AS p_towards,
    max(coalesce(normal_tail(z_away), 1)) OVER edits_of_it AS p_away,
    bool_and(coalesce(-floor < low AND high < floor, false)) OVER edits_of_it AS within_floor
FROM tested
WINDOW edits_of_it AS (PARTITION BY model_version, word, label)
QUALIFY row_number() OVER (PARTITION BY model_version, word, label ORDER BY abs(mean_score), edit) = 1;
COMMENT ON VIEW word_label_effect IS
    'one row a model, word and label: what deleting or replacing the word takes away, by the edit that changes less';
COMMENT ON COLUMN word_label_effect.mean_score IS 'centred logits a tweet that the word adds to the label';
COMMENT ON COLUMN word_label_effect.floor IS 'centred logits: the effect of control words of like frequency';
COMMENT ON COLUMN word_label_effect.p_towards IS 'one-sided, that the effect is not above the floor; the larger of the edits';
COMMENT ON COLUMN word_label_effect.p_away IS 'one-sided, that the effect is not below minus the floor; the larger of the edits';
COMMENT ON COLUMN word_label_effect.within_floor IS 'true: the 95 % interval of each edit lies within its floor, so that the word is shown to do nothing';
