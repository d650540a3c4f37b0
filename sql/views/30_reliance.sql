-- Occurrences in one tweet are summed first: the tweet is what was sampled, and what a person reads.
CREATE VIEW sampled_word_scores AS
WITH per_tweet AS (
    SELECT model_version, method, baseline, tweet_id, word, target AS label, sum(score) AS score, count(*) AS occurrences
    FROM centred_word_scores
    GROUP BY ALL
)
SELECT
    p.*, i.pi,
    p.score > 0 AND p.score = max(p.score) OVER (PARTITION BY model_version, method, baseline, tweet_id, label)
        AS strongest
FROM per_tweet AS p JOIN inclusion AS i USING (model_version, method, baseline, tweet_id);
COMMENT ON VIEW sampled_word_scores IS 'one row a sampled tweet, model, method, baseline, word and label; hand-picked tweets are left out';
COMMENT ON COLUMN sampled_word_scores.score IS 'centred logits, occurrences in the tweet summed';
COMMENT ON COLUMN sampled_word_scores.pi IS 'inclusion probability of the tweet, 0 to 1';
COMMENT ON COLUMN sampled_word_scores.strongest IS 'true: no word of the tweet pushes the label more';

-- Sums that add over tweets; w = 1 / pi, x = score. Everything below is made from these, and they from the parts `sums`,
-- which refresh keeps as sampled_word_scores would have them.
CREATE TABLE word_label_sums AS
WITH sums AS (
    SELECT
        model_version, method, baseline, word, label,
        CAST(sum(tweets) AS BIGINT) AS tweets, CAST(sum(occurrences) AS BIGINT) AS occurrences,
        sum(tweets / pi) AS w, sum(x / pi) AS wx, sum(abs_x / pi) AS w_abs_x,
        sum(tweets / pi ** 2) AS w2, sum(x / pi ** 2) AS w2x, sum(xx / pi ** 2) AS w2xx,
        sum((1 - pi) / pi ** 2 * tweets) AS v, sum((1 - pi) / pi ** 2 * x) AS vx, sum((1 - pi) / pi ** 2 * xx) AS vxx,
        sum(positive / pi) AS w_positive, sum(strongest / pi) AS w_strongest
    FROM sums_parts
    GROUP BY ALL
)
-- a kind costs ten regular expressions: once a word, not once an occurrence
SELECT *, word_kind(word) AS kind FROM sums;
COMMENT ON TABLE word_label_sums IS 'one row a model, method, baseline, word and label: sums over sampled tweets that reliance is made from';
COMMENT ON COLUMN word_label_sums.w IS 'sum of the weights 1 / pi: estimated tweets of the corpus with the word';

CREATE VIEW word_label_reliance AS
SELECT
    model_version, method, baseline, word, kind, label, tweets, occurrences, w AS corpus_tweets,
    wx / w AS mean_score,
    sqrt(greatest(0, vxx - 2 * (wx / w) * vx + (wx / w) ** 2 * v)) / w AS se_design,
    CASE WHEN tweets > 1 THEN
        sqrt(tweets / (tweets - 1) * greatest(0, w2xx - 2 * (wx / w) * w2x + (wx / w) ** 2 * w2)) / w
    END AS se_tweet,
    mean_score - 1.96 * se_tweet AS low, mean_score + 1.96 * se_tweet AS high,
    wx AS total_score,
    w_abs_x / sum(w_abs_x) OVER (PARTITION BY model_version, method, baseline, label) AS share_of_scores,
    w_positive / w AS share_positive, w_strongest / w AS share_strongest
FROM word_label_sums;
COMMENT ON VIEW word_label_reliance IS
    'one row a model, method, baseline, word and label: how much the model relies on the word, estimated for the corpus the samples were drawn from (Hájek)';
COMMENT ON COLUMN word_label_reliance.tweets IS 'sampled tweets with the word';
COMMENT ON COLUMN word_label_reliance.corpus_tweets IS 'estimated tweets of the corpus with the word';
COMMENT ON COLUMN word_label_reliance.mean_score IS 'centred logits a tweet that holds the word';
COMMENT ON COLUMN word_label_reliance.se_design IS 'centred logits: how well the sample shows this corpus (Poisson sampling, linearised); 0 when every tweet was explained';
COMMENT ON COLUMN word_label_reliance.se_tweet IS 'centred logits: how well these tweets show others like them, tweets taken as independent; null for a single tweet';
COMMENT ON COLUMN word_label_reliance.low IS 'centred logits: mean_score - 1.96 se_tweet';
COMMENT ON COLUMN word_label_reliance.high IS 'centred logits: mean_score + 1.96 se_tweet';
COMMENT ON COLUMN word_label_reliance.total_score IS 'centred logits, estimated sum over the corpus';
COMMENT ON COLUMN word_label_reliance.share_of_scores IS 'share of all absolute scores for the label, 0 to 1';
COMMENT ON COLUMN word_label_reliance.share_positive IS 'share of tweets in which it pushes towards the label, 0 to 1';
COMMENT ON COLUMN word_label_reliance.share_strongest IS 'share of tweets in which no word pushes towards the label more, 0 to 1';

CREATE VIEW current_word_label_reliance AS
SELECT * FROM word_label_reliance SEMI JOIN last_explained USING (model_version, method, baseline);
COMMENT ON VIEW current_word_label_reliance IS 'word_label_reliance of the model, method and baseline explained last';
