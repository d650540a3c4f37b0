CREATE VIEW sums_parts AS
SELECT * FROM read_parquet(
    parts('sums'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW sums_parts IS
    'every stored row: sums of word scores over a block of texts or over several, those that labels share in rows without one; made by refresh from the explanations';
