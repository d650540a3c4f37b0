CREATE VIEW units_parts AS
SELECT * FROM read_parquet(
    parts('units'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW units_parts IS
    'every stored row: a finished unit of work; may hold the same thing twice, use the view units';
