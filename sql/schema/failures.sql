CREATE VIEW failures_parts AS
SELECT * FROM read_parquet(
    parts('failures'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW failures_parts IS
    'every stored row: a request that could not be explained; may hold the same thing twice, use the view failures';
