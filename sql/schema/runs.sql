CREATE VIEW runs_parts AS
SELECT * FROM read_parquet(
    parts('runs'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW runs_parts IS
    'every stored row: a job; may hold the same thing twice, use the view runs';
