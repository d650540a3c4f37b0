-- name: decisive_words
-- question: In which tweets does one word that is no concept word decide between the label and the runner-up?
-- unit: one tweet and word; logits by which the word favours the label over the runner-up, and the tweet's whole lead
-- caveat: by attribution: without the word's score the runner-up would lead; `camembias effects` tests it by editing
-- param: label = NULL -- only this label; NULL: every label
-- param: word = NULL -- only this word; NULL: every word
-- param: top = 50 -- rows; NULL: all
-- columns: tweet_id, label, runner_up, word, kind, push, lead, text
WITH logits AS (
    SELECT e.tweet_id, e.target, e.logit, row_number() OVER (PARTITION BY e.tweet_id ORDER BY e.logit DESC, e.target) AS place
    FROM explanations AS e SEMI JOIN complete_explanations USING (tweet_id, model_version, method, baseline)
    SEMI JOIN last_explained USING (model_version, method, baseline)
),
races AS (
    SELECT a.tweet_id, a.target AS label, b.target AS runner_up, a.logit - b.logit AS lead
    FROM logits AS a JOIN logits AS b ON b.tweet_id = a.tweet_id AND a.place = 1 AND b.place = 2
),
pushes AS (
    SELECT r.tweet_id, r.label, r.runner_up, s.word, any_value(r.lead) AS lead,
        sum(CASE WHEN s.target = r.label THEN s.score ELSE -s.score END) AS push
    FROM races AS r
    JOIN current_centred_word_scores AS s ON s.tweet_id = r.tweet_id AND s.target IN (r.label, r.runner_up)
    GROUP BY r.tweet_id, r.label, r.runner_up, s.word
)
SELECT p.tweet_id, p.label, p.runner_up, p.word, word_kind(p.word) AS kind, p.push, p.lead, t.text
FROM pushes AS p LEFT JOIN tweets AS t USING (tweet_id)
WHERE p.push > p.lead AND p.word NOT IN (SELECT word FROM concepts)
    AND (CAST($label AS VARCHAR) IS NULL OR p.label = CAST($label AS VARCHAR))
    AND (CAST($word AS VARCHAR) IS NULL OR p.word = CAST($word AS VARCHAR))
ORDER BY p.push - p.lead DESC, p.tweet_id, p.word
LIMIT CAST($top AS BIGINT);
