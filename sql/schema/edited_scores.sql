CREATE VIEW edited_scores_parts AS
SELECT * FROM read_parquet(
    parts('edited_scores'),
    hive_partitioning = false, union_by_name = true
);

COMMENT ON VIEW edited_scores_parts IS
    'every stored row: an edited word''s centred score in one tweet; made by refresh from the explanations';
