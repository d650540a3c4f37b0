CREATE VIEW explanation_index_parts AS
SELECT * FROM read_parquet(
    parts('explanation_index'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW explanation_index_parts IS
    'every stored row: a tweet of a part of explanations, without words; made by refresh, so that it need not look at all parts again';
