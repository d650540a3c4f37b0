CREATE VIEW training_words_parts AS
SELECT * FROM read_parquet(
    parts('training_words'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW training_words_parts IS
    'every stored row: a tweet of the training data; may hold the same thing twice, use the view training_words';
