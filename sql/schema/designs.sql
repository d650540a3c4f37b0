CREATE VIEW designs_parts AS
SELECT * FROM read_parquet(
    parts('designs'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW designs_parts IS
    'every stored row: a sampling design; may hold the same thing twice, use the view designs';
