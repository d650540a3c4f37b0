-- Occurrences in one tweet are summed first: the tweet is what was sampled, and what a person reads.
CREATE VIEW sampled_word_scores AS
WITH per_tweet AS (
    SELECT model_version, method, baseline, tweet_id, word, target AS label, sum(score) AS score,
        count(*) AS occurrences, any_value(error) AS error
    FROM centred_word_scores
    GROUP BY ALL
)
SELECT
    p.*, i.tweets, i.w, i.v,
    p.score > 0 AND p.score = max(p.score) OVER (PARTITION BY model_version, method, baseline, tweet_id, label)
        AS strongest
FROM per_tweet AS p JOIN sampled_texts AS i USING (model_version, method, baseline, tweet_id);
COMMENT ON VIEW sampled_word_scores IS
    'one row a sampled text, model, method, baseline, word and label; hand-picked tweets are left out';
COMMENT ON COLUMN sampled_word_scores.tweet_id IS 'the first of the tweets with this text';
COMMENT ON COLUMN sampled_word_scores.tweets IS 'sampled tweets with this text';
COMMENT ON COLUMN sampled_word_scores.score IS 'centred logits, occurrences in the tweet summed';
COMMENT ON COLUMN sampled_word_scores.error IS 'centred logits: what the explanation misses where it did not converge, else 0';
COMMENT ON COLUMN sampled_word_scores.w IS 'weight: estimated tweets of the corpus with this text';
COMMENT ON COLUMN sampled_word_scores.v IS 'variance of w under Poisson sampling';
COMMENT ON COLUMN sampled_word_scores.strongest IS 'true: no word of the tweet pushes the label more';

-- Sums that add over texts; x = score. The parts hold kinds, too, whose scores are those of their words added up. Everything below is made from these, and they from the parts `sums`,
-- which refresh keeps as sampled_word_scores would have them.
CREATE TABLE word_label_sums AS
WITH words AS (
    SELECT
        model_version, method, baseline, word,
        CAST(sum(tweets) AS BIGINT) AS tweets, CAST(sum(occurrences) AS BIGINT) AS occurrences,
        sum(w) AS w, sum(w2) AS w2, sum(w3) AS w3, sum(w4) AS w4, sum(v) AS v, sum(vw) AS vw, sum(v2) AS v2
    FROM sums_parts
    WHERE label IS NULL
    GROUP BY model_version, method, baseline, word
),
labelled AS (
    SELECT
        model_version, method, baseline, word, label,
        sum(wx) AS wx, sum(wxx) AS wxx, sum(wx3) AS wx3, sum(wx4) AS wx4, sum(w_abs_x) AS w_abs_x,
        sum(w2x) AS w2x, sum(w2xx) AS w2xx, sum(vx) AS vx, sum(vxx) AS vxx,
        sum(w_positive) AS w_positive, sum(w_strongest) AS w_strongest, sum(we) AS we
    FROM sums_parts
    WHERE label IS NOT NULL
    GROUP BY model_version, method, baseline, word, label
)
-- a kind costs ten regular expressions: once a word, not once an occurrence
SELECT l.*, w.* EXCLUDE (model_version, method, baseline, word)
FROM labelled AS l JOIN (SELECT *, word_kind(word) AS kind FROM words) AS w USING (model_version, method, baseline, word);
COMMENT ON TABLE word_label_sums IS 'one row a model, method, baseline, word or kind (`<hashtag>`), and label: sums over sampled texts that reliance is made from';
COMMENT ON COLUMN word_label_sums.tweets IS 'distinct texts';
COMMENT ON COLUMN word_label_sums.w IS 'sum of the weights: estimated tweets of the corpus with the word';

CREATE VIEW label_reliance AS
SELECT
    model_version, method, baseline, word, kind, label, tweets, occurrences, w AS corpus_tweets,
    wx / w AS mean_score, we / w AS error_bound,
    CASE WHEN v = 0 THEN 0 WHEN tweets > 1 THEN weighted_error(v, vw, vx, vxx, w, w2, wx / w) END AS se_design,
    heavy_tailed_df(effective_df(v, v2), weighted_kurtosis(w, wx, wxx, wx3, wx4)) AS corpus_df,
    mean_score - student_975(corpus_df) * se_design - error_bound AS corpus_low,
    mean_score + student_975(corpus_df) * se_design + error_bound AS corpus_high,
    CASE WHEN tweets > 1 THEN weighted_error(w2, w3, w2x, w2xx, w, w2, wx / w) END AS se_tweet,
    effective_df(w2, w4) AS df,
    mean_score - student_975(df) * se_tweet - error_bound AS low,
    mean_score + student_975(df) * se_tweet + error_bound AS high,
    wx AS total_score,
    w_abs_x / sum(w_abs_x) FILTER (kind <> 'kind') OVER (PARTITION BY model_version, method, baseline, label) AS share_of_scores,
    w_positive / w AS share_positive, w_strongest / w AS share_strongest
FROM word_label_sums;
COMMENT ON VIEW label_reliance IS
    'word_label_reliance, and rows of kinds beside those of words: word `<hashtag>` is any hashtag that is no concept word, its score in a tweet the sum of theirs';

CREATE VIEW word_label_reliance AS SELECT * FROM label_reliance WHERE kind <> 'kind';
COMMENT ON VIEW word_label_reliance IS
    'one row a model, method, baseline, word and label: how much the model relies on the word, estimated for the corpus the samples were drawn from (Hájek)';
COMMENT ON COLUMN word_label_reliance.tweets IS 'sampled tweets with the word; copies of one text count once';
COMMENT ON COLUMN word_label_reliance.corpus_tweets IS 'estimated tweets of the corpus with the word';
COMMENT ON COLUMN word_label_reliance.mean_score IS 'centred logits a tweet that holds the word';
COMMENT ON COLUMN word_label_reliance.error_bound IS 'centred logits by which the mean may be off because explanations did not converge: the mean of what they miss, as if all of it were this word''s; every interval is wider by it';
COMMENT ON COLUMN word_label_reliance.se_design IS 'centred logits: how well the sample shows this corpus (Poisson sampling, linearised); 0 when every tweet was explained, null for a single one';
COMMENT ON COLUMN word_label_reliance.corpus_df IS 'degrees of freedom of se_design: fewer where few texts weigh most, or carry most of the score';
COMMENT ON COLUMN word_label_reliance.corpus_low IS 'centred logits: lower end of the 95 % interval of the mean over this corpus (Student''s t, se_design)';
COMMENT ON COLUMN word_label_reliance.corpus_high IS 'centred logits: upper end of the 95 % interval of the mean over this corpus (Student''s t, se_design)';
COMMENT ON COLUMN word_label_reliance.se_tweet IS 'centred logits: how well these tweets show others like them, distinct texts taken as independent; null for a single one';
COMMENT ON COLUMN word_label_reliance.df IS 'degrees of freedom of se_tweet: texts less one where they weigh the same, fewer where few weigh most';
COMMENT ON COLUMN word_label_reliance.low IS 'centred logits: lower end of the 95 % interval (Student''s t, se_tweet)';
COMMENT ON COLUMN word_label_reliance.high IS 'centred logits: upper end of the 95 % interval (Student''s t, se_tweet)';
COMMENT ON COLUMN word_label_reliance.total_score IS 'centred logits, estimated sum over the corpus';
COMMENT ON COLUMN word_label_reliance.share_of_scores IS 'share of all absolute scores for the label, 0 to 1';
COMMENT ON COLUMN word_label_reliance.share_positive IS 'share of tweets in which it pushes towards the label, 0 to 1';
COMMENT ON COLUMN word_label_reliance.share_strongest IS 'share of tweets in which no word pushes towards the label more, 0 to 1';
