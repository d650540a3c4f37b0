-- What happened, once each. Parts may repeat a row; each view below states the one rule that picks.

-- the longest text of a tweet wins, then the latest seen
CREATE VIEW tweets AS
SELECT * FROM tweets_parts
QUALIFY row_number() OVER (PARTITION BY tweet_id ORDER BY length(text) DESC NULLS LAST, seen_at DESC NULLS LAST, source) = 1;
COMMENT ON VIEW tweets IS 'one row a tweet: the longest text wins, then the latest seen';
COMMENT ON COLUMN tweets.tweet_id IS 'a string: ids exceed 2^53';
COMMENT ON COLUMN tweets.text IS 'normalised: what the model read';
COMMENT ON COLUMN tweets.author IS 'salted hash, unless authors were kept';
COMMENT ON COLUMN tweets.created_at IS 'UTC';

CREATE VIEW predictions AS
SELECT * FROM predictions_parts
QUALIFY row_number() OVER (
    PARTITION BY tweet_id, serving_version ORDER BY classified_at DESC NULLS LAST, run_id DESC, label
) = 1;
COMMENT ON VIEW predictions IS 'one row a tweet and serving version: the latest classified';
COMMENT ON COLUMN predictions.scores IS 'per label: logit (raw) and p (probability, 0 to 1)';
COMMENT ON COLUMN predictions.margin IS 'logits between the best and the second label';
COMMENT ON COLUMN predictions.abstained IS 'true: the best label''s p is under the threshold of the model; null: the model has none';
COMMENT ON COLUMN predictions.rescored IS 'true: the stored logits are fp32';
COMMENT ON COLUMN predictions.classified_at IS 'UTC';

CREATE VIEW current_predictions AS
SELECT * FROM predictions
QUALIFY row_number() OVER (PARTITION BY tweet_id ORDER BY classified_at DESC NULLS LAST, serving_version DESC) = 1;
COMMENT ON VIEW current_predictions IS 'one row a tweet: by whichever serving version classified it last';

CREATE VIEW explanations AS
SELECT * FROM explanations_parts
QUALIFY row_number() OVER (
    PARTITION BY tweet_id, model_version, target, method, baseline ORDER BY computed_at DESC NULLS LAST, batch
) = 1;
COMMENT ON VIEW explanations IS 'one row a tweet, model, target, method and baseline: the latest computed';
COMMENT ON COLUMN explanations.target IS 'the label whose logit is explained';
COMMENT ON COLUMN explanations.label IS 'the label the tweet was given';
COMMENT ON COLUMN explanations.logit IS 'of the target, fp32';
COMMENT ON COLUMN explanations.logit_baseline IS 'of the target, with every word masked, fp32';
COMMENT ON COLUMN explanations.delta IS 'logits: sum of all attributions minus (logit - logit_baseline)';
COMMENT ON COLUMN explanations.relative_error IS 'abs(delta) over the larger of abs(logit - logit_baseline) and 0.05 logit';
COMMENT ON COLUMN explanations.special_score IS 'logits given to <s> and </s>';
COMMENT ON COLUMN explanations.words IS 'in order; score in logits, signed; start and stop in characters of the text';
COMMENT ON COLUMN explanations.duration_ms IS 'milliseconds';
COMMENT ON COLUMN explanations.precision IS 'of the gradients: fp32 or bf16; logits are always fp32';

CREATE VIEW quality AS
SELECT * FROM quality_parts
QUALIFY row_number() OVER (
    PARTITION BY model_version, method, baseline, measure, variant ORDER BY computed_at DESC NULLS LAST
) = 1;
COMMENT ON VIEW quality IS 'one row a model, method, baseline, measure and variant: the latest measured';
COMMENT ON COLUMN quality.mean IS 'over tweets: probability of the predicted label lost, or Spearman correlation over words';
COMMENT ON COLUMN quality.low IS 'bootstrap interval of 95 % over tweets';
COMMENT ON COLUMN quality.high IS 'bootstrap interval of 95 % over tweets';

CREATE VIEW models AS
SELECT * FROM models_parts
QUALIFY row_number() OVER (PARTITION BY serving_version ORDER BY seen_at DESC NULLS LAST) = 1;
COMMENT ON VIEW models IS 'one row a serving version: the latest seen; a model version can have several';

CREATE VIEW training_words AS
SELECT * FROM training_words_parts
QUALIFY row_number() OVER (PARTITION BY model_version, tweet ORDER BY split, label) = 1;
COMMENT ON VIEW training_words IS 'one row a model version and tweet of its training data';
COMMENT ON COLUMN training_words.words IS 'sorted, distinct';

-- Words are shipped for labels that a model may not have: then they are words like any other.
CREATE VIEW concepts AS
SELECT DISTINCT label, word FROM concepts_parts
WHERE word <> '<residual>' AND (label IN (SELECT unnest(labels) FROM models_parts) OR NOT EXISTS (FROM models_parts));
COMMENT ON VIEW concepts IS
    'one row a label that some model of the store has and one of its concept words: a word that may well carry the label';

-- Tweets that are about none of the topics have words, too, but nothing there is a bias: whatever speaks for no topic pushes here.
CREATE VIEW residual_labels AS
WITH labelled AS (SELECT DISTINCT model_version, unnest(labels) AS label FROM models),
given AS (SELECT DISTINCT label FROM concepts_parts WHERE word = '<residual>')
SELECT model_version, label, label IN (FROM given) AS given
FROM labelled
WHERE label IN (FROM given) OR (
    lower(label) IN (
        'autre', 'autres', 'other', 'others', 'aucun', 'aucune', 'none', 'divers', 'rest', 'reste', 'rien', 'hors-sujet',
        'hors sujet', 'hors_sujet'
    )
    AND label NOT IN (SELECT label FROM concepts)
    AND model_version IN (SELECT model_version FROM labelled SEMI JOIN concepts USING (label))
);
COMMENT ON VIEW residual_labels IS
    'one row a model and label that is what no topic is: named so (autre, other, none, …) and without concept words where another label has some, or given as such in the concepts file (label = ["<residual>"])';
COMMENT ON COLUMN residual_labels.given IS 'true: the concepts file says so; false: by its name';

CREATE VIEW coded AS
SELECT * FROM coded_parts QUALIFY row_number() OVER (PARTITION BY tweet_id ORDER BY label) = 1;
COMMENT ON VIEW coded IS 'one row a tweet that was labelled by hand';

CREATE VIEW designs AS
SELECT * FROM designs_parts
QUALIFY row_number() OVER (PARTITION BY design_id ORDER BY created_at DESC NULLS LAST) = 1;
COMMENT ON VIEW designs IS 'one row a sampling design';
COMMENT ON COLUMN designs.serving_version IS 'the frame: tweets that it had classified by framed_at';
COMMENT ON COLUMN designs.seed IS 'u = first 13 hex digits of sha256(seed:tweet_id) / 16^13: the same for every design of a store';
COMMENT ON COLUMN designs.expected IS 'tweets: sum of all inclusion probabilities';
COMMENT ON COLUMN designs.rates IS 'per stratum: tweets of the frame in it, and their inclusion probability, 0 to 1';

CREATE VIEW requests AS
SELECT * FROM requests_parts
QUALIFY row_number() OVER (
    PARTITION BY batch, tweet_id, model_version, method, baseline ORDER BY requested_at DESC NULLS LAST
) = 1;
COMMENT ON VIEW requests IS 'one row a batch, tweet, model, method and baseline: the latest requested';
COMMENT ON COLUMN requests.design_id IS 'null: hand-picked';

CREATE VIEW failures AS
SELECT * FROM failures_parts
QUALIFY row_number() OVER (PARTITION BY batch, tweet_id, model_version ORDER BY failed_at DESC NULLS LAST) = 1;
COMMENT ON VIEW failures IS 'one row a batch, tweet and model: the latest failure; a later attempt may have succeeded';

CREATE VIEW rejects AS
SELECT * FROM rejects_parts
QUALIFY row_number() OVER (PARTITION BY source, line, reason, raw ORDER BY run_id DESC) = 1;
COMMENT ON VIEW rejects IS 'one row a refused input row: the latest run wins';

CREATE VIEW runs AS
SELECT * FROM runs_parts
QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY finished_at DESC NULLS LAST) = 1;
COMMENT ON VIEW runs IS 'one row a job; finished_at is null while it runs';

CREATE VIEW units AS
SELECT * FROM units_parts
QUALIFY row_number() OVER (PARTITION BY unit, serving_version ORDER BY finished_at DESC NULLS LAST) = 1;
COMMENT ON VIEW units IS 'one row a finished unit of work and serving version';

CREATE VIEW word_pieces AS
SELECT * FROM pieces_parts QUALIFY row_number() OVER (PARTITION BY model_version, word ORDER BY pieces, unknown) = 1;
COMMENT ON VIEW word_pieces IS 'one row a model version and word of its explained tweets, as of the last `camembias effects`';
COMMENT ON COLUMN word_pieces.pieces IS 'pieces that the tokenizer cuts the word into';
COMMENT ON COLUMN word_pieces.unknown IS 'of them, those it has no token for: the model sees them all alike';

CREATE VIEW tombstones AS
SELECT tweet, min(forgotten_at) AS forgotten_at FROM tombstones_parts GROUP BY tweet;
COMMENT ON VIEW tombstones IS 'one row a forgotten tweet, which is never stored again';
COMMENT ON COLUMN tombstones.tweet IS 'hash of the id, salted by the store';
