-- Refresh keeps the parts as sampled_texts_of('explanation_index', 'explanations_parts', 'counted_designs') would have
-- them. Of a block's parts the last counts: those that it replaced stay for an hour, because queries may be reading them.
-- They are looked up once, so that a part which comes meanwhile hides nothing.
CREATE VIEW sampled_texts AS
SELECT model_version, method, baseline, tweet_id, tweets, w, v FROM sampled_texts_parts
QUALIFY part = max(part) OVER (PARTITION BY block);
COMMENT ON VIEW sampled_texts IS
    'one row a model, method, baseline and text of sampled_tweets, as of the last refresh: copies of a text are one observation';
COMMENT ON COLUMN sampled_texts.tweet_id IS 'the first of its tweets that was explained: what stands for them all';
COMMENT ON COLUMN sampled_texts.tweets IS 'sampled tweets with the text';
COMMENT ON COLUMN sampled_texts.w IS 'sum of 1 / pi over them: estimated tweets of the corpus with the text';
COMMENT ON COLUMN sampled_texts.v IS 'sum of (1 - pi) / pi^2 over them: the variance of w under Poisson sampling';
