CREATE VIEW explanations_parts AS
SELECT * FROM read_parquet(
    parts('explanations'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW explanations_parts IS
    'every stored row: tweet x model x target; may hold the same thing twice, use the view explanations';
