CREATE VIEW effects_parts AS
SELECT * FROM read_parquet(
    parts('effects'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW effects_parts IS
    'every stored row: an edit of one word in one tweet; may hold the same thing twice, use the view effects';
