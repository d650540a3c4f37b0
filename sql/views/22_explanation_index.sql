-- A part in which nothing counts has a row without a tweet.
CREATE VIEW explanation_index AS SELECT * EXCLUDE state FROM explanation_index_parts WHERE tweet_id IS NOT NULL;
COMMENT ON VIEW explanation_index IS
    'one row a part of explanations and tweet, text, model, method and baseline in it, as of the last refresh: all that sampling needs to know, without words';
COMMENT ON COLUMN explanation_index.part IS 'name of the part; null in a snapshot';
COMMENT ON COLUMN explanation_index.targets IS 'a bit for each label of the model that is explained there';
COMMENT ON COLUMN explanation_index.explanations IS 'as many rows of the part';
COMMENT ON COLUMN explanation_index.finite IS 'true: the scores of all of them are numbers';
COMMENT ON COLUMN explanation_index.mark IS 'changes when one is computed again';
COMMENT ON COLUMN explanation_index.computed_at IS 'of the last whose scores are numbers, UTC';
