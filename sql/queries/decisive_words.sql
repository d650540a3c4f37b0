-- name: decisive_words
-- question: In which tweets does one word that is no concept word decide between the label and the runner-up?
-- unit: one tweet and word; logits by which the word favours the label over the runner-up, and the tweet's whole lead
-- caveat: of all explained tweets, hand-picked ones too; by attribution: without the word's score the runner-up would lead; `camembias effects` tests it by editing
-- param: label = NULL -- only this label; NULL: every label
-- param: word = NULL -- only this word; NULL: every word
-- param: top = 50 -- rows; NULL: all
-- columns: tweet_id, label, runner_up, word, kind, push, lead, text
SELECT p.tweet_id, p.label, p.runner_up, p.word, word_kind(p.word) AS kind, p.push, p.lead, t.text
FROM current_word_pushes AS p LEFT JOIN tweets AS t USING (tweet_id)
WHERE p.push > p.lead AND p.word NOT IN (SELECT word FROM concepts)
    AND (CAST($label AS VARCHAR) IS NULL OR p.label = CAST($label AS VARCHAR))
    AND (CAST($word AS VARCHAR) IS NULL OR p.word = CAST($word AS VARCHAR))
ORDER BY p.push - p.lead DESC, p.tweet_id, p.word
LIMIT CAST($top AS BIGINT);
