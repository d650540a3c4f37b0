CREATE VIEW models_parts AS
SELECT * FROM read_parquet(
    parts('models'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW models_parts IS
    'every stored row: a serving version; may hold the same thing twice, use the view models';
