CREATE VIEW recounts_parts AS
SELECT * FROM read_parquet(
    parts('recounts'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW recounts_parts IS
    'every stored row: a recount of the labels without some words; may hold the same thing twice, use the view recounts';
