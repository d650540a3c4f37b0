"""Training, validation and test, stratified by label, with duplicates always on one side."""

from __future__ import annotations

import polars as pl

SPLITS = ("train", "validation", "test")


def split(rows: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Adds the column `split`: about 70, 15 and 15 % of each label, deterministic by seed.

    Whole duplicate groups are dealt out, in a seeded random order within their label. Every label reaches every
    split as long as it has three groups.
    """
    groups = (
        rows.group_by("duplicate_group")
        .agg(pl.col("label").mode().sort().first())
        .sort("label", "duplicate_group")
        .sample(fraction=1.0, shuffle=True, seed=seed)
    )
    place = pl.int_range(pl.len()).over("label") % 20
    # positions 0 and 1 first, so that even a label of three groups reaches validation and test
    side = (
        pl.when(place.is_in([0, 7, 14]))
        .then(pl.lit("test"))
        .when(place.is_in([1, 8, 15]))
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
    )
    sides = groups.with_columns(side.alias("split")).select("duplicate_group", "split")
    return rows.join(sides, on="duplicate_group", how="left", maintain_order="left")
