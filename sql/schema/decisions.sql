CREATE VIEW decisions_parts AS
SELECT * FROM read_parquet(
    parts('decisions'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW decisions_parts IS
    'every stored row: a reviewer''s decision on a word and label; may hold the same thing twice, use the view decisions';
