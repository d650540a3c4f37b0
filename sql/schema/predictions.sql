CREATE VIEW predictions_parts AS
SELECT * FROM read_parquet(
    parts('predictions'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW predictions_parts IS
    'every stored row: tweet x serving version x pass; may hold the same thing twice, use the view predictions';
