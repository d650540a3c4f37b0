"""The scores of one set of predictions, with their 95 % intervals, ready for JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from camembias.labels import Labels
from train import confusion
from train.confusion import Counts, Ids, Scores
from train.intervals import LEVEL, RESAMPLES, Clusters, lower_bound, percentiles

OVERALL = {"accuracy": confusion.accuracy, "macro_f1": confusion.macro_f1, "mcc": confusion.mcc}
PER_LABEL = {"precision": confusion.precision, "recall": confusion.recall, "f1": confusion.f1}


def metrics(truth: Ids, predicted: Ids, labels: Labels) -> dict[str, Any]:
    """Scores without intervals; rows of `confusion_matrix` are the truth. Cheap enough for every epoch."""
    counts = confusion.count(truth, predicted, len(labels))
    per_label = {key: score(counts) for key, score in PER_LABEL.items()}
    found: dict[str, Any] = {"tweets": len(truth)}
    found |= {key: float(score(counts)) for key, score in OVERALL.items()}
    return found | {
        "majority_share": float(counts.sum(axis=1).max() / max(len(truth), 1)),
        "per_label": {
            name: {key: float(values[at]) for key, values in per_label.items()} | {"tweets": int(counts[at].sum())}
            for at, name in enumerate(labels.names)
        },
        "labels": list(labels.names),
        "confusion_matrix": counts.astype(int).tolist(),
    }


def overall(truth: Ids, predicted: Ids, drawn: Counts | None, labels: Labels) -> dict[str, Any]:
    """Accuracy, macro-F1 and Matthews correlation; `drawn` are their resampled matrices, None where there are none."""
    counts = confusion.count(truth, predicted, len(labels))
    return {
        **{key: float(score(counts)) for key, score in OVERALL.items()},
        "intervals": {key: percentiles(score, drawn) for key, score in OVERALL.items()},
    }


def intervals(found: dict[str, Any], drawn: Counts | None, by: Clusters) -> dict[str, Any]:
    """Interval of every score of `metrics`, None where there can be none, and `none_because` says why in words."""
    why = by.too_few
    if why is None and found["accuracy"] == 1.0:
        least = float(lower_bound(by.count, by.count, (1 + LEVEL) / 2))
        why = (
            "no intervals: without an error to resample the bootstrap is blind; with none among "
            f"{by.count} {by.unit}s, accuracy may still be as low as {least:.3f} (Clopper-Pearson, 95 %)"
        )
    return {
        "method": f"percentile bootstrap, {RESAMPLES} resamples, by {by.unit}",
        "level": LEVEL,
        "unit": by.unit,
        "clusters": by.count,
        "none_because": why,
        **{key: percentiles(score, drawn) for key, score in OVERALL.items()},
        "per_label": {
            name: {key: percentiles(_of_label(score, at), drawn) for key, score in PER_LABEL.items()}
            for at, name in enumerate(found["labels"])
        },
    }


def _of_label(score: Callable[[Counts], Scores], at: int) -> Callable[[Counts], Scores]:
    return lambda counts: score(counts)[..., at]


def difference(
    one: dict[str, Any], other: dict[str, Any], drawn: Counts | None, drawn_other: Counts | None
) -> dict[str, float | list[float] | None]:
    """How far `one` is above `other` in macro-F1. Both were resampled together, so the interval is a paired one."""

    def apart(left: Counts, right: Counts) -> Scores:
        return confusion.macro_f1(left) - confusion.macro_f1(right)

    return {"macro_f1": one["macro_f1"] - other["macro_f1"], "interval": percentiles(apart, drawn, drawn_other)}


def ids(rows: Any, labels: Labels) -> Ids:
    """The label column of a frame as positions. Raises InputError for a label that is not in `labels`."""
    return np.array(labels.ids(rows["label"].to_list()), dtype=np.int64)
