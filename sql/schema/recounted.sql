CREATE VIEW recounted_parts AS
SELECT * FROM read_parquet(
    parts('recounted'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW recounted_parts IS
    'every stored row: a tweet of a recount; may hold the same thing twice, use the view recounted';
