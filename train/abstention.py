"""When a model should rather say nothing: a threshold on its confidence that keeps a promise about precision.

The promise: of tweets like the calibration tweets that are kept, at least `precision` are labelled right; a threshold
that breaks it is chosen at most once in twenty. Selecting a threshold by a bound is Geifman & El-Yaniv 2017 ("Selective
classification for deep neural networks"). Trying many would void the bound, so thresholds are tested in a fixed order,
stricter ones first, until the first failure: fixed-sequence testing with several starts, as in Angelopoulos, Bates et
al. 2021 ("Learn then test"). Starts depend on confidences alone; each has its part of the one in twenty. The test is
exact when precision does not fall as the threshold rises and tweets are independent: copies of a text count once, but
tweets of one author are taken as independent. Where the same tweets chose the best of several epochs, the doubt is
shared among these too (decision 0047).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from camembias.labels import Labels
from camembias.scoring import Logits
from train.calibration import Floats, confidence
from train.confusion import Ids
from train.intervals import LEVEL, lower_bound, share_interval

METHOD = "lower Clopper-Pearson bound at 95 %, fixed-sequence testing from stricter thresholds down"
STARTS = (0.1, 0.25, 0.5)  # shares of the calibration tweets
_DOUBT = 1 - LEVEL
_LOG_ODDS = np.arange(12.0, -12.0, -0.1)  # of the thresholds tried: fixed before any tweet is seen


def thresholds(labels: int) -> Floats:
    """The thresholds that are tried, strictest first. The last, 1 / labels, keeps every tweet."""
    tried = 1 / (1 + np.exp(-_LOG_ODDS))
    return np.append(tried[tried > 1 / labels], 1 / labels)


def fewest(precision: float, doubt: float = _DOUBT) -> int:
    """Tweets needed for a bound to reach `precision` when every one is right."""
    return math.ceil(math.log(doubt) / math.log(precision))


def threshold(
    sure: Floats, right: npt.NDArray[np.bool_], precision: float, labels: int, models: int = 1
) -> float | None:
    """The smallest confidence that keeps the promise on independent tweets; None where the data support none.

    `models`: how many models these tweets chose between. The best of many looks better on them than it is, so each has
    its part of the doubt: one that breaks the promise is then still chosen at most once in twenty.

    Testing starts at the thresholds that keep a tenth, a quarter and half of the tweets, without those that keep too
    few to pass: from the very strictest threshold it would stop at the first wrong tweet.
    """
    tried = thresholds(labels)
    kept = len(sure) - np.searchsorted(np.sort(sure), tried, side="left")
    hits = int(right.sum()) - np.searchsorted(np.sort(sure[right]), tried, side="left")
    starts = next(
        (
            STARTS[at:]
            for at in range(len(STARTS))
            if STARTS[at] * len(sure) >= fewest(precision, _DOUBT / models / len(STARTS[at:]))
        ),
        STARTS[-1:],
    )
    doubt = _DOUBT / models / len(starts)
    passed = lower_bound(hits, kept, 1 - doubt) >= precision
    found = []
    for share in starts:
        first = int(np.argmax(kept >= max(share * len(sure), 1)))
        run = passed[first:]
        length = len(run) if run.all() else int(np.argmin(run))
        if length:
            found.append(float(tried[first + length - 1]))
    return min(found, default=None)


def one_per_group(groups: list[int], ids: list[str]) -> Ids:
    """Row numbers of one tweet a duplicate group, the one with the smallest id: copies are not new evidence."""
    first: dict[int, int] = {}
    for row in sorted(range(len(ids)), key=lambda row: ids[row]):
        first.setdefault(groups[row], row)
    return np.array(sorted(first.values()), dtype=np.int64)


def realised(sure: Floats, right: npt.NDArray[np.bool_], abstain_below: float | Floats) -> dict[str, Any]:
    """Coverage (share of tweets kept) and precision among them, on tweets that chose no threshold."""
    kept = sure >= abstain_below
    total, hits = int(kept.sum()), int((kept & right).sum())
    return {
        "tweets": len(sure),
        "kept": total,
        "coverage": total / len(sure) if len(sure) else None,
        "precision": hits / total if total else None,
        "interval": share_interval(hits, total),
    }


def why_none(sure: Floats, right: npt.NDArray[np.bool_], precision: float, models: int = 1) -> str:
    """In words, why `threshold` found none."""
    needed = fewest(precision, _DOUBT / models)
    among = f" of a model chosen among {models} with the same tweets" if models > 1 else ""
    if len(sure) < needed:
        return (
            f"a bound of {precision:.0%}{among} needs at least {needed} independent calibration tweets, all "
            f"right; there are {len(sure)}"
        )
    surest = np.argsort(-sure, kind="stable")[: max(needed, len(sure) // 2)]
    return (
        f"of the {len(surest)} independent calibration tweets that the model is surest of, it labels "
        f"{np.mean(right[surest]):.1%} right, which cannot support a bound of {precision:.0%}"
    )


def elsewhere(logits: Logits, temperature: float, abstain_below: float | None, labels: Labels) -> dict[str, Any]:
    """What a model does with tweets of none of its labels: share of them it calls each label, and abstains on.

    `said` counts every tweet under its best label; `kept` only those that are not abstained on. Any `kept` is an error.
    """
    best = logits.argmax(axis=1) if len(logits) else np.zeros(0, dtype=np.int64)
    kept = confidence(logits, temperature) >= (abstain_below or 0.0)
    total = max(len(logits), 1)
    return {
        "tweets": len(logits),
        "abstained": None if abstain_below is None else float(1 - kept.sum() / total),
        "labels": {
            name: {"said": float((best == at).sum() / total), "kept": float(((best == at) & kept).sum() / total)}
            for at, name in enumerate(labels.names)
        },
    }
