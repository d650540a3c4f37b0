-- name: concept_share
-- question: How much of the push towards each label comes from its own concept words?
-- unit: one label; scores in centred logits summed over word occurrences, estimated for the corpus sampled from; share from 0 to 1
-- caveat: as good as the list of concept words, which is matched letter by letter; negative scores are left out
-- columns: label, tweets, positive_score, concept_score, share, concept_words
WITH positive AS (
    SELECT s.target AS label, s.tweet_id, s.word, s.score * i.w AS score, c.word IS NOT NULL AS is_concept
    FROM current_centred_word_scores AS s
    JOIN sampled_texts AS i USING (model_version, method, baseline, tweet_id)
    LEFT JOIN concepts AS c ON c.label = s.target AND c.word = s.word
    WHERE s.score > 0
)
SELECT
    label, count(DISTINCT tweet_id) AS tweets, sum(score) AS positive_score,
    coalesce(sum(score) FILTER (is_concept), 0) AS concept_score,
    coalesce(sum(score) FILTER (is_concept), 0) / sum(score) AS share,
    count(DISTINCT word) FILTER (is_concept) AS concept_words
FROM positive
GROUP BY label
ORDER BY label;
