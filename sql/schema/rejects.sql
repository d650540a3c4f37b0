CREATE VIEW rejects_parts AS
SELECT * FROM read_parquet(
    parts('rejects'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW rejects_parts IS
    'every stored row: a refused input row; may hold the same thing twice, use the view rejects';
