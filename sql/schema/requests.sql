CREATE VIEW requests_parts AS
SELECT * FROM read_parquet(
    parts('requests'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW requests_parts IS
    'every stored row: a tweet to explain; may hold the same thing twice, use the view requests';
