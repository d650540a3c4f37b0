-- name: verdict_counts
-- question: How many words of each verdict does each label have?
-- unit: one label and verdict; words
-- caveat: a word that was never edited is weak, expected or an unused association; words in angle brackets are kinds; words in fewer than ten sampled tweets are left out but for edited and concept words; only the model, method and baseline explained last
-- columns: label, verdict, words
SELECT label, verdict, count(*) AS words
FROM current_word_label_verdict
GROUP BY label, verdict
ORDER BY label, verdict;
