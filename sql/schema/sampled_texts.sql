CREATE VIEW sampled_texts_parts AS
SELECT * EXCLUDE filename, parse_filename(filename, true) AS part
FROM read_parquet(
    parts('sampled_texts'),
    hive_partitioning = false, union_by_name = true, filename = true
);

COMMENT ON VIEW sampled_texts_parts IS
    'every stored row: a sampled text with its weight and the block that its scores are summed in, also of blocks that another part replaced; made by refresh';
