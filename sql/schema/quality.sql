CREATE VIEW quality_parts AS
SELECT * FROM read_parquet(
    parts('quality'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW quality_parts IS
    'every stored row: measure x variant x model, each time it was measured, use the view quality';
