CREATE VIEW draws_parts AS
SELECT * FROM read_parquet(
    parts('draws'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW draws_parts IS
    'every stored row: a tweet that a sampling design drew; may hold the same thing twice, use the view draws';
