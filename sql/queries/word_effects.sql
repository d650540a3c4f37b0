-- name: word_effects
-- question: What happens to each label when a word is deleted from the tweets that hold it, replaced, or deleted once its companions are?
-- unit: one word, edit and label; scores in centred logits a tweet that the word adds, change_of_p in probability
-- caveat: an edited tweet can be clumsy French; alone: without the words that stand in half of the edited tweets or more, among them what the tweets are about (column companions of the view effects); controls are words that go with no label
-- param: word = NULL -- only this word; NULL: every edited word
-- param: label = NULL -- only this label; NULL: every label
-- param: top = 50 -- rows; NULL: all
-- columns: word, role, edit, label, tweets, mean_score, low, high, change_of_p, flip_rate, floor
SELECT
    e.word, e.role, e.edit, e.label, e.tweets, e.mean_score,
    e.mean_score - student_975(e.df) * e.se AS low, e.mean_score + student_975(e.df) * e.se AS high,
    e.mean_change_of_p AS change_of_p, e.flip_rate, f.floor
FROM word_label_edit AS e
SEMI JOIN last_explained USING (model_version)
LEFT JOIN control_floor AS f
    ON f.model_version = e.model_version AND f.measure = e.edit AND f.bin = frequency_bin(e.tweets)
WHERE (CAST($word AS VARCHAR) IS NULL OR e.word = CAST($word AS VARCHAR))
    AND (CAST($label AS VARCHAR) IS NULL OR e.label = CAST($label AS VARCHAR))
ORDER BY round(abs(e.mean_score), 9) DESC, e.word, e.edit, e.label
LIMIT CAST($top AS BIGINT);
