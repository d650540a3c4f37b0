CREATE VIEW tweets_parts AS
SELECT * FROM read_parquet(
    parts('tweets'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW tweets_parts IS
    'every stored row: a tweet as seen in one unit; may hold the same thing twice, use the view tweets';
