-- name: effect_candidates
-- question: Which words deserve to be edited, because the model leans on them or the training tweets tie them to a label?
-- unit: one word; strength in standard errors beyond 0, of reliance or of association, whichever is larger
-- caveat: concept words are left out: they are expected; a word the samples never held cannot be found
-- param: model = NULL -- model version; NULL: the one explained last
-- param: top = 20 -- words a label and witness; NULL: all
-- param: min_tweets = 5 -- fewest sampled tweets with the word
-- columns: word, kind, tweets, strength
WITH scope AS (
    SELECT model_version, method, baseline FROM explained
    WHERE model_version = coalesce(CAST($model AS VARCHAR), model_version) ORDER BY place LIMIT 1
),
pairs AS (
    SELECT
        r.word, r.kind, r.label, r.tweets,
        abs(r.mean_score) / nullif(r.se_tweet, 0) AS by_reliance, abs(a.z) AS by_association
    FROM word_label_reliance AS r SEMI JOIN scope USING (model_version, method, baseline)
    LEFT JOIN word_label_association AS a
        ON a.model_version = r.model_version AND a.word = r.word AND a.label = r.label
    WHERE r.tweets >= coalesce(CAST($min_tweets AS BIGINT), 1)
        AND r.kind <> 'punctuation' AND r.word NOT IN (SELECT word FROM concepts)
),
ranked AS (
    SELECT
        *, row_number() OVER (PARTITION BY label ORDER BY by_reliance DESC NULLS LAST, word) AS rank_reliance,
        row_number() OVER (PARTITION BY label ORDER BY by_association DESC NULLS LAST, word) AS rank_association
    FROM pairs
)
SELECT word, kind, max(tweets) AS tweets, max(greatest(by_reliance, by_association)) AS strength
FROM ranked
WHERE CAST($top AS BIGINT) IS NULL
    OR (rank_reliance <= CAST($top AS BIGINT) AND by_reliance IS NOT NULL)
    OR (rank_association <= CAST($top AS BIGINT) AND by_association IS NOT NULL)
GROUP BY word, kind
ORDER BY strength DESC NULLS LAST, word;
