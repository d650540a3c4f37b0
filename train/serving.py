"""The temperature and the threshold that a model serves with, and how they do on tweets that did not choose them.

With folds the calibration rows are the held-out rows, so both are cross-fitted for the report: each fold is judged by
what the other folds chose. What is served is chosen on all calibration rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from camembias.labels import Labels
from train import abstention
from train.calibration import Floats, confidence, fit_temperature, reliability
from train.confusion import Ids
from train.evidence import Evidence
from train.scores import ids


@dataclass(frozen=True, slots=True)
class Serving:
    temperature: float  # 1 where there are no calibration rows
    abstain_below: float | None  # on the probability of the best label, after the temperature
    calibration: dict[str, Any]
    abstention: dict[str, Any]


def choose(evidence: Evidence, labels: Labels, precision: float, seed: int) -> Serving:
    told, truth = ids(evidence.calibration, labels), ids(evidence.held_out, labels)
    everyone = _fit(evidence, told, np.arange(len(told)), labels, precision)
    temperatures, limits = np.ones(len(truth)), np.full(len(truth), np.inf)
    for fit, score in _pairs(evidence):
        chosen = everyone if len(fit) == len(told) else _fit(evidence, told, fit, labels, precision)
        temperatures[score] = chosen.temperature
        limits[score] = np.inf if chosen.limit is None else chosen.limit
    right = evidence.logits.argmax(axis=1) == truth
    sure = confidence(evidence.logits, temperatures)
    limit = everyone.limit
    return Serving(
        everyone.temperature,
        limit,
        calibration={
            "temperature": everyone.temperature,
            "fitted_on": f"{len(told)} {'validation' if evidence.fold is None else 'out-of-fold'} tweets",
            "before": reliability(confidence(evidence.logits), right, seed),
            "after": reliability(sure, right, seed),
        },
        abstention={
            "target_precision": precision,
            "method": abstention.METHOD,
            "independent_tweets": len(everyone.sure),
            "models": evidence.models,
            "abstain_below": limit,
            "why_none": None
            if limit
            else abstention.why_none(everyone.sure, everyone.right, precision, evidence.models),
            "held_out": None if limit is None else abstention.realised(sure, right, limits),
        },
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    temperature: float
    limit: float | None
    sure: Floats  # confidences of the independent tweets among the rows
    right: Any  # whether each is labelled right


def _fit(evidence: Evidence, told: Ids, rows: Ids, labels: Labels, precision: float) -> _Fitted:
    logits, table = evidence.calibration_logits[rows], evidence.calibration[rows]
    temperature = fit_temperature(logits, told[rows])
    single = abstention.one_per_group(table["duplicate_group"].to_list(), table["tweet_id"].to_list())
    sure = confidence(logits, temperature)[single]
    right = (logits.argmax(axis=1) == told[rows])[single] if len(rows) else np.zeros(0, dtype=bool)
    limit = abstention.threshold(sure, right, precision, len(labels), evidence.models)
    return _Fitted(temperature, limit, sure, right)


def _pairs(evidence: Evidence) -> list[tuple[Ids, Ids]]:
    """Calibration rows to choose on, held-out rows to judge on."""
    if evidence.fold is None:
        return [(np.arange(len(evidence.calibration)), np.arange(len(evidence.held_out)))]
    fold_of = dict(zip(evidence.held_out["tweet_id"], evidence.fold, strict=True))
    choosing = np.array([fold_of.get(tweet, -1) for tweet in evidence.calibration["tweet_id"]])
    judged = evidence.fold.to_numpy()
    return [(np.flatnonzero(choosing != fold), np.flatnonzero(judged == fold)) for fold in np.unique(judged)]
