CREATE VIEW tombstones_parts AS
SELECT * FROM read_parquet(
    parts('tombstones'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW tombstones_parts IS
    'every stored row: a forgotten tweet; may hold the same thing twice, use the view tombstones';
