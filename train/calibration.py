"""Is a probability of 0.8 right eight times in ten? Reliability, and one temperature that mends it.

Logits are divided by a temperature before the softmax (Guo et al. 2017, "On calibration of modern neural networks"): it
changes no label, only how sure the model says it is. It must be fitted on tweets that the model was not trained on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from camembias.scoring import Logits
from train.confusion import Ids
from train.intervals import share_interval

LOWEST, HIGHEST = 0.5, 5.0  # a fit outside says more about a small sample than about the model
MOST_BINS, FEWEST_IN_BIN = 15, 20

Floats = npt.NDArray[np.float64]


def probabilities(logits: Logits, temperature: float | Floats = 1.0) -> Floats:
    """(tweets, labels); `temperature` is one number, or one a tweet."""
    scaled = logits.astype(float) / np.reshape(temperature, (-1, 1))
    return np.asarray(softmax(scaled, axis=1))


def confidence(logits: Logits, temperature: float | Floats = 1.0) -> Floats:
    """Probability of the best label, (tweets,)."""
    return np.asarray(probabilities(logits, temperature).max(axis=1, initial=0.0))


def fit_temperature(logits: Logits, truth: Ids) -> float:
    """The temperature between 0.5 and 5 with the least negative log-likelihood; 1 without tweets."""
    if not len(truth):
        return 1.0
    exact, rows = logits.astype(float), np.arange(len(truth))

    def loss(temperature: float) -> float:
        return float(-log_softmax(exact / temperature, axis=1)[rows, truth].mean())

    return float(minimize_scalar(loss, bounds=(LOWEST, HIGHEST), method="bounded").x)


def reliability(sure: Floats, right: npt.NDArray[np.bool_], seed: int = 0) -> dict[str, Any]:
    """Expected calibration error of confidences `sure` (tweets,), and the bins of the reliability diagram.

    Up to 15 bins of about equally many tweets, at least 20 each; equal confidences share a bin. `if_calibrated` is the
    mean error that a perfectly calibrated model would show on as many tweets (Bröcker & Smith 2007): the error is never
    negative, so on a small sample it is above 0 even then.
    """
    if not len(sure):
        return {"ece": None, "if_calibrated": None, "bins": []}
    bins = max(1, min(MOST_BINS, len(sure) // FEWEST_IN_BIN))
    edges = np.sort(sure)[[len(sure) * place // bins for place in range(1, bins)]]
    _, bin_of, sizes = np.unique(np.searchsorted(edges, sure, side="right"), return_inverse=True, return_counts=True)
    said = np.bincount(bin_of, sure)
    hits = np.bincount(bin_of, right).astype(int)
    dice = np.random.default_rng(seed)
    chance = [np.bincount(bin_of, dice.random(len(sure)) < sure) for _ in range(200)]
    return {
        "ece": float(np.abs(hits - said).sum() / len(sure)),
        "if_calibrated": float(np.abs(np.array(chance) - said).sum(axis=1).mean() / len(sure)),
        "bins": [
            {
                "tweets": int(size),
                "confidence": float(total / size),
                "accuracy": float(hit / size),
                "interval": share_interval(int(hit), int(size)),
            }
            for size, total, hit in zip(sizes, said, hits, strict=True)
        ],
    }
