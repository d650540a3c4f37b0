CREATE VIEW recounts AS
SELECT * FROM recounts_parts
QUALIFY row_number() OVER (PARTITION BY recount ORDER BY computed_at DESC NULLS LAST) = 1;
COMMENT ON VIEW recounts IS 'one row a serving version and set of words: a recount of the labels with these words taken out of the tweets';
COMMENT ON COLUMN recounts.frame IS 'per label: tweets that the serving version had given it by then';
COMMENT ON COLUMN recounts.holders IS 'of these tweets, those that hold one of the words';
COMMENT ON COLUMN recounts.tweets IS 'of the holders, those recounted: all, or a simple random sample';

CREATE VIEW recounted AS
SELECT * FROM recounted_parts
QUALIFY row_number() OVER (PARTITION BY recount, tweet_id ORDER BY label_without) = 1;
COMMENT ON VIEW recounted IS 'one row a recount and tweet of it: its label with and without the words';
COMMENT ON COLUMN recounted.label IS 'as stored when it was classified';
COMMENT ON COLUMN recounted.words IS 'words of the recount that it holds';
COMMENT ON COLUMN recounted.others IS 'as many control words that it holds, drawn by chance, or all where it has fewer';
COMMENT ON COLUMN recounted.label_without IS 'its label once `words` are deleted; the stored one where nothing would be left';
COMMENT ON COLUMN recounted.label_without_others IS 'its label once `others` are deleted instead; the stored one where it has none';
