-- name: verdicts
-- question: Which words does the model use for a label without being about it, and does taking them out change its mind?
-- unit: one word and label; association in log-odds, reliance and effect in centred logits a tweet, with 95 % intervals
-- caveat: a word that was not edited cannot be confirmed; q_verdict controls false discoveries over the pairs that could be confirmed (no concept words, 5 training documents, 10 sampled texts), intervals do not; effect is what a word does once its companions are deleted, effect_whole, effect_on_p and flip_rate what it does in whole tweets; where by_author, no author counts for more than three tweets in reliance and effect; without, one author may be all of it, see word_authors; a word in angle brackets (<hashtag>) is any word of this kind but concept words; residual: see residual_labels
-- param: label = NULL -- only this label; NULL: every label
-- param: verdict = NULL -- confirmed_bias, confirmed_away, kind_only, unconfirmed, model_only, not_decisive, residual, unused_association, expected, no_finding or weak; NULL: all but the last two
-- param: top = 50 -- rows; NULL: all
-- columns: word, label, verdict, q_verdict, association, association_low, association_high, reliance, reliance_low, reliance_high, effect, effect_low, effect_high, flip_rate, effect_on_p, effect_whole, docs, tweets, edited_tweets, by_author, kind, decision, note
SELECT
    word, label, verdict, q_verdict, association, association_low, association_high,
    reliance, reliance_low, reliance_high, effect, effect_low, effect_high, flip_rate, effect_on_p, effect_whole,
    docs, tweets, edited_tweets, by_author, kind, decision, note
FROM current_word_label_verdict
WHERE (CAST($label AS VARCHAR) IS NULL OR label = CAST($label AS VARCHAR))
    AND CASE WHEN CAST($verdict AS VARCHAR) IS NULL THEN verdict NOT IN ('weak', 'no_finding') ELSE verdict = CAST($verdict AS VARCHAR) END
ORDER BY finding_key(verdict, q_verdict, p_verdict, reliance_low, reliance_high, effect, reliance), word, label
LIMIT CAST($top AS BIGINT);
