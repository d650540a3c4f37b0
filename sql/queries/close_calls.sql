-- name: close_calls
-- question: Where two labels are close, which words tip the tweet to the one and which to the other?
-- unit: one label, runner-up and word; mean push in logits towards the label and away from the runner-up
-- caveat: of explained tweets whose lead is at most max_lead; counts of the sample, not weighted for the corpus
-- param: max_lead = 1.0 -- logits between label and runner-up
-- param: min_tweets = 3 -- fewest such tweets with the word
-- param: top = 10 -- words for each pair of labels and direction; NULL: all
-- columns: label, runner_up, word, kind, tweets, mean_push
WITH logits AS (
    SELECT e.tweet_id, e.target, e.logit, row_number() OVER (PARTITION BY e.tweet_id ORDER BY e.logit DESC, e.target) AS place
    FROM explanations AS e SEMI JOIN complete_explanations USING (tweet_id, model_version, method, baseline)
    SEMI JOIN last_explained USING (model_version, method, baseline)
),
races AS (
    SELECT a.tweet_id, a.target AS label, b.target AS runner_up
    FROM logits AS a JOIN logits AS b ON b.tweet_id = a.tweet_id AND a.place = 1 AND b.place = 2
    WHERE a.logit - b.logit <= coalesce(CAST($max_lead AS DOUBLE), 'infinity')
),
pushes AS (
    SELECT r.label, r.runner_up, r.tweet_id, s.word,
        sum(CASE WHEN s.target = r.label THEN s.score ELSE -s.score END) AS push
    FROM races AS r
    JOIN current_centred_word_scores AS s ON s.tweet_id = r.tweet_id AND s.target IN (r.label, r.runner_up)
    GROUP BY r.label, r.runner_up, r.tweet_id, s.word
)
SELECT label, runner_up, word, word_kind(word) AS kind, count(*) AS tweets, avg(push) AS mean_push
FROM pushes
GROUP BY label, runner_up, word
HAVING count(*) >= coalesce(CAST($min_tweets AS BIGINT), 1)
QUALIFY CAST($top AS BIGINT) IS NULL OR row_number() OVER (
    PARTITION BY label, runner_up, avg(push) > 0 ORDER BY abs(avg(push)) DESC, word
) <= CAST($top AS BIGINT)
ORDER BY label, runner_up, mean_push DESC, word;
