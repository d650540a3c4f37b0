"""Training, validation and test, or folds: stratified by label, with duplicates, or authors, on one side.

Whole groups are dealt out one by one, each to the side that needs its labels most (iterative stratification:
Sechidis, Tsoumakas and Vlahavas 2011). The same rows and seed give the same sides in whatever order the rows come.
Groups are duplicates, or, if asked, authors. Retweets tie authors to one another until nearly all hang together, so
duplicates across authors are not dealt together then: those of a row that judges are left out of what it judges.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from camembias.errors import InputError

SHARES: Mapping[str, float] = {"train": 0.70, "validation": 0.15, "test": 0.15}
INNER_SHARES: Mapping[str, float] = {"train": 0.85, "validation": 0.15}  # where other rows are the test
LEFT_OUT = "left out"


def split(rows: pl.DataFrame, seed: int, by_author: bool, shares: Mapping[str, float] = SHARES) -> pl.DataFrame:
    """Adds the column `split`: a name of `shares`, or `LEFT_OUT` for a duplicate of a row on a later side.

    A label of as many groups as there are sides reaches every side, unless its groups hold other labels too. Raises
    InputError when there are fewer groups than sides.
    """
    side = pl.Series("split", _deal(rows, np.array(list(shares.values())), seed, by_author))
    latest = pl.col("split").max().over("duplicate_group")
    names = pl.col("split").replace_strict(dict(enumerate(shares)), return_dtype=pl.String())
    return rows.with_columns(side).with_columns(
        pl.when(pl.col("split") < latest).then(pl.lit(LEFT_OUT)).otherwise(names).alias("split")
    )


def folds(rows: pl.DataFrame, k: int, seed: int, by_author: bool) -> pl.DataFrame:
    """Adds the column `fold`, 0 to k - 1. Raises InputError when there are fewer groups than folds."""
    if k < 2:
        raise InputError(f"--folds {k}: at least 2 are needed; leave it out for one split")
    return rows.with_columns(pl.Series("fold", _deal(rows, np.full(k, 1 / k), seed, by_author), dtype=pl.Int64()))


def without_duplicates_of(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """`rows` less those that say the same as one of `others`."""
    return rows.join(others, on="duplicate_group", how="anti", maintain_order="left")


def lacking(rows: pl.DataFrame, column: str) -> dict[str, list[str]]:
    """Labels that a side of `column` (`split` or `fold`) has no tweet of, for the sides that lack any."""
    labels = set(rows["label"])
    found = {str(side): sorted(labels - set(part["label"])) for (side,), part in rows.group_by(column)}
    return {side: found[side] for side in sorted(found) if found[side]}


def _deal(rows: pl.DataFrame, shares: npt.NDArray[np.float64], seed: int, by_author: bool) -> npt.NDArray[np.int64]:
    """The side of each row."""
    author = pl.when(by_author & pl.col("author").is_not_null()).then(pl.concat_str(pl.lit("@"), "author"))
    keys = rows.select(author.otherwise(pl.col("duplicate_group").cast(pl.String))).to_series()
    names, group_of_row = np.unique(keys.to_numpy(), return_inverse=True)
    if len(names) < len(shares):
        what = "authors" if by_author else "groups of duplicates"
        remedy = "; ask for fewer folds, or do not keep authors apart: --group-column none" if by_author else ""
        raise InputError(f"{len(names)} {what} cannot be dealt to {len(shares)} sides{remedy}")
    labels, label_of_row = np.unique(rows["label"].to_numpy(), return_inverse=True)
    counts = np.zeros((len(names), len(labels)))
    np.add.at(counts, (group_of_row, label_of_row), 1)
    return _sides(counts, shares, seed)[group_of_row]


def _sides(counts: npt.NDArray[np.float64], shares: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.int64]:
    """The side of each group, from `counts` (groups, labels). The rarest label goes first, its large groups first."""
    total = counts.sum(axis=0)
    rarest = np.where(counts > 0, total, np.inf).argmin(axis=1)  # the rarest label that a group holds
    left = np.bincount(rarest, minlength=len(total))
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    order = shuffled[np.lexsort((-counts.sum(axis=1)[shuffled], rarest[shuffled], total[rarest[shuffled]]))]
    need = shares[:, None] * total  # (sides, labels)
    has = np.zeros(need.shape, dtype=bool)
    sides = np.zeros(len(counts), dtype=np.int64)
    for group in order:
        label = rarest[group]
        missing = ~has[:, label]
        # when a label's groups only just suffice, sides without it come first
        allowed = missing if missing.any() and left[label] <= missing.sum() else np.ones(len(shares), dtype=bool)
        wish = (need / total) @ (counts[group] / total) + 1e-9 * need.sum(axis=1)  # the last term breaks ties by size
        side = int(np.where(allowed, wish, -np.inf).argmax())
        sides[group] = side
        need[side] -= counts[group]
        has[side] |= counts[group] > 0
        left[label] -= 1
    return sides
