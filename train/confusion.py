"""Scores of confusion matrices, one or thousands at a time: arrays (..., truth, predicted) in, (...) out.

A score whose denominator is 0 is 0, as in scikit-learn with `zero_division=0`. Resampling needs thousands of matrices
at once, which scikit-learn does not take; the tests hold both to the same numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]  # (tweets,): positions in the label set
Counts = npt.NDArray[np.float64]  # (..., truth, predicted)
Scores = npt.NDArray[np.float64]


def count(truth: Ids, predicted: Ids, labels: int) -> Counts:
    """One matrix: rows are what a tweet is, columns what the model says."""
    cells = np.bincount(truth * labels + predicted, minlength=labels * labels)
    return cells.reshape(labels, labels).astype(float)


def accuracy(counts: Counts) -> Scores:
    return _ratio(_right(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def precision(counts: Counts) -> Scores:
    """Per label: (..., labels)."""
    return _ratio(_right(counts), counts.sum(axis=-2))


def recall(counts: Counts) -> Scores:
    """Per label: (..., labels)."""
    return _ratio(_right(counts), counts.sum(axis=-1))


def f1(counts: Counts) -> Scores:
    """Per label: (..., labels)."""
    return _ratio(2 * _right(counts), counts.sum(axis=-2) + counts.sum(axis=-1))


def macro_f1(counts: Counts) -> Scores:
    """Mean F1 over all labels of the model; a label without a tweet counts, with 0."""
    return np.asarray(f1(counts).mean(axis=-1))


def mcc(counts: Counts) -> Scores:
    """Matthews correlation for several labels (Gorodkin 2004): 1 is perfect, 0 is chance."""
    total = counts.sum(axis=(-2, -1))
    true, said = counts.sum(axis=-1), counts.sum(axis=-2)
    covariance = _right(counts).sum(axis=-1) * total - (true * said).sum(axis=-1)
    spread = (total**2 - (said**2).sum(axis=-1)) * (total**2 - (true**2).sum(axis=-1))
    return _ratio(covariance, np.sqrt(spread))


def _right(counts: Counts) -> Scores:
    return np.asarray(np.diagonal(counts, axis1=-2, axis2=-1))


def _ratio(above: Any, below: Any) -> Scores:
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below != 0))
