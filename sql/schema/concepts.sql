CREATE VIEW concepts_parts AS
SELECT * FROM read_parquet(
    parts('concepts'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW concepts_parts IS
    'every stored row: a label and one of its concept words; may hold the same thing twice, use the view concepts';
