CREATE VIEW pieces_parts AS
SELECT * FROM read_parquet(
    parts('pieces'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW pieces_parts IS
    'every stored row: how a model''s tokenizer cuts a word; may hold the same thing twice, use the view pieces';
