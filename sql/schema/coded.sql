CREATE VIEW coded_parts AS
SELECT * FROM read_parquet(
    parts('coded'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW coded_parts IS
    'every stored row: a tweet labelled by hand; may hold the same thing twice, use the view coded';
