-- name: effect_candidates
-- question: Which words deserve to be edited, because the model leans on them or the training tweets tie them to a label?
-- unit: one word; strength is the end nearer to 0 of the 95 % interval of reliance (logits) or of association (log-odds), whichever is larger; rank is its best place in either ranking of any label, 0 for kinds (<hashtag>), which are always edited
-- caveat: concept words are left out: they are expected; a word the samples never held cannot be found; an error of few tweets is not taken for less than what is usual for the label
-- param: model = NULL -- model version; NULL: the one explained last
-- param: top = 20 -- words a label and witness; NULL: all
-- param: min_tweets = 5 -- fewest sampled tweets with the word
-- columns: word, kind, tweets, strength, rank
WITH scope AS (
    SELECT model_version, method, baseline FROM explained
    WHERE model_version = coalesce(CAST($model AS VARCHAR), model_version) ORDER BY place LIMIT 1
),
usual AS (  -- of one tweet; a lucky handful of tweets has an error of nearly 0, and would lead whatever its mean is
    SELECT label, median(se_tweet * sqrt(df + 1)) AS error
    FROM word_label_reliance SEMI JOIN scope USING (model_version, method, baseline)
    WHERE tweets >= 10
    GROUP BY label
),
pairs AS (
    SELECT
        r.word, r.kind, r.label, r.tweets,
        CASE WHEN r.se_tweet IS NOT NULL
            THEN abs(r.mean_score) - student_975(r.df) * greatest(r.se_tweet, u.error / sqrt(r.df + 1)) - r.error_bound
        END AS by_reliance,
        greatest(a.low, -a.high) AS by_association
    FROM label_reliance AS r SEMI JOIN scope USING (model_version, method, baseline)
    LEFT JOIN usual AS u ON u.label = r.label
    LEFT JOIN word_label_association AS a
        ON a.model_version = r.model_version AND a.word = r.word AND a.label = r.label
    WHERE r.tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
        AND r.kind <> 'punctuation' AND r.word NOT IN (SELECT word FROM concepts)
),
ranked AS (
    SELECT
        *, row_number() OVER (PARTITION BY label, kind = 'kind' ORDER BY by_reliance DESC NULLS LAST, word) AS rank_reliance,
        row_number() OVER (PARTITION BY label, kind = 'kind' ORDER BY by_association DESC NULLS LAST, word) AS rank_association
    FROM pairs
)
SELECT
    word, kind, max(tweets) AS tweets, max(greatest(by_reliance, by_association)) AS strength,
    CASE
        WHEN kind = 'kind' THEN 0
        ELSE min(least(
            CASE WHEN by_reliance IS NOT NULL THEN rank_reliance END,
            CASE WHEN by_association IS NOT NULL THEN rank_association END
        ))
    END AS rank
FROM ranked
GROUP BY word, kind
HAVING CAST($top AS BIGINT) IS NULL OR rank <= CAST($top AS BIGINT)
ORDER BY strength DESC NULLS LAST, word;
