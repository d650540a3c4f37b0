"""95 % intervals: a percentile bootstrap over clusters (Davison & Hinkley 1997), and Clopper-Pearson for one share.

Tweets of one author, or copies of one text, are not independent, so whole clusters are drawn: authors where they are
known, else duplicate groups. The model itself is not trained again: an interval says how far the score would move with
other tweets like these, not with another training run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_array
from scipy.stats import beta

from train.confusion import Counts, Ids, Scores

RESAMPLES = 2000
LEVEL = 0.95
FEWEST_CLUSTERS = 10  # a percentile bootstrap over fewer is far too narrow

Interval = list[float] | None


@dataclass(frozen=True, slots=True)
class Clusters:
    unit: str  # what one cluster is: "author" or "duplicate group"
    of_row: Ids  # (tweets,): 0 … count - 1
    count: int

    @property
    def too_few(self) -> str | None:
        """Why there can be no interval, or None."""
        if self.count >= FEWEST_CLUSTERS:
            return None
        plural = "" if self.count == 1 else "s"
        return f"no intervals: {self.count} {self.unit}{plural}, and fewer than {FEWEST_CLUSTERS} cannot support one"


def clusters(rows: pl.DataFrame) -> Clusters:
    """Of `author` and `duplicate_group`. A tweet without author counts with its duplicate group."""
    known = rows["author"].null_count() < len(rows)
    names = rows.select(
        pl.coalesce("@" + pl.col("author"), pl.col("duplicate_group").cast(pl.String())).rank("dense") - 1
    ).to_series()
    of_row = names.cast(pl.Int64).to_numpy()
    return Clusters("author" if known else "duplicate group", of_row, names.n_unique())


def bootstrap(truth: Ids, predictions: Sequence[Ids], labels: int, by: Clusters, seed: int = 0) -> list[Counts | None]:
    """Resampled confusion matrices (resamples, truth, predicted), one a prediction; all None with too few clusters.

    All predictions see the same resamples, so differences between them are paired. Clusters with equal counts are
    interchangeable: their number is drawn at once, which is exact, and fast where most clusters are one tweet.
    """
    if by.too_few:
        return [None] * len(predictions)
    size = labels * labels
    cells = [place * size + truth * labels + predicted for place, predicted in enumerate(predictions)]
    # Sparse: a cluster of a few tweets fills a few of the labels² cells of each prediction.
    counts = coo_array(
        (np.ones(len(truth) * len(cells)), (np.tile(by.of_row, len(cells)), np.concatenate(cells))),
        shape=(by.count, len(cells) * size),
    ).tocsr()
    counts.sort_indices()
    filled = zip((-counts.indices).tolist(), counts.data.tolist(), strict=True)  # sorted as the rows are in full
    kind_of = [tuple(islice(filled, length)) for length in np.diff(counts.indptr).tolist()]
    alike, example = Counter(kind_of), dict(zip(kind_of, range(by.count), strict=True))
    kinds = sorted(alike)
    shares = np.array([alike[kind] for kind in kinds]) / by.count
    draws = np.random.default_rng(seed).multinomial(by.count, shares, size=RESAMPLES).T.astype(float)
    kept = counts[[example[kind] for kind in kinds]]
    return [
        (kept[:, place * size : (place + 1) * size].T @ draws).T.reshape(RESAMPLES, labels, labels)
        for place in range(len(cells))
    ]


def percentiles(score: Callable[..., Scores], *drawn: Counts | None) -> Interval:
    """The middle 95 % of a score of resampled matrices; None without them, or where all resamples score the same.

    Where nothing varies, for instance without a single error, the bootstrap is blind: no interval of width 0 is given.
    """
    if any(counts is None for counts in drawn):
        return None
    values = score(*drawn)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return None if values.min() == values.max() else [float(low), float(high)]


def lower_bound(right: npt.ArrayLike, total: npt.ArrayLike, level: float = LEVEL) -> Scores:
    """One-sided Clopper-Pearson bound: the true share is at least this, with confidence `level`."""
    right, total = np.asarray(right), np.asarray(total)
    with np.errstate(invalid="ignore"):
        bound = beta.ppf(1 - level, right, total - right + 1)
    return np.where(right > 0, bound, 0.0)


def share_interval(right: int, total: int) -> Interval:
    """Two-sided Clopper-Pearson interval of a share of independent tweets; None without any tweet."""
    if not total:
        return None
    each = (1 + LEVEL) / 2
    return [float(lower_bound(right, total, each)), float(1 - lower_bound(total - right, total, each))]
