"""How near to a decision int8 is not trusted: the bounds under which the bulk job scores a tweet again in fp32."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from camembias.bundle import Manifest
from camembias.scoring import Logits, margins, probabilities

SAFETY = 1.5  # the parity texts are a sample: the stream may hold worse
WIDER = (SAFETY, 2.0, 3.0)  # factors that are tried until no held-out text differs


@dataclass(frozen=True, slots=True)
class Bounds:
    margin: float  # logits, between the best and the second label
    p: float | None  # probability, from the abstention threshold; None where nothing is abstained from

    def rescored(self, int8: Logits, manifest: Manifest) -> npt.NDArray[np.bool_]:
        """Which texts are scored again, (texts,)."""
        again: npt.NDArray[np.bool_] = margins(int8) < self.margin
        if self.p is not None and manifest.abstain_below is not None:
            again |= np.abs(best_p(int8, manifest.temperature) - manifest.abstain_below) <= self.p
        return again


def measure(fp32: Logits, runs: list[Logits], manifest: Manifest, safety: float = SAFETY) -> Bounds:
    """The largest errors of int8 over texts and `runs` (the same texts in other batches), times `safety`.

    A label can only flip when the error of the lead of int8's best label over some other label exceeds that lead, and
    so the margin. Likewise an abstention can only flip when the error of the best probability exceeds its distance from
    the threshold.
    """
    lead = max(float(_errors_of_the_lead(fp32, run).max()) for run in runs)
    if manifest.abstain_below is None:
        return Bounds(_rounded_up(safety * lead), None)
    exact = best_p(fp32, manifest.temperature)
    error = max(float(np.abs(best_p(run, manifest.temperature) - exact).max()) for run in runs)
    return Bounds(_rounded_up(safety * lead), _rounded_up(safety * error))


def _errors_of_the_lead(fp32: Logits, int8: Logits) -> npt.NDArray[np.float32]:
    """The largest error of the lead of int8's best label over another, (texts,)."""
    error = int8 - fp32
    best = np.take_along_axis(error, int8.argmax(axis=1)[:, None], axis=1)
    return np.asarray(np.abs(best - error).max(axis=1))


def stored(fp32: Logits, int8: Logits, bounds: Bounds, manifest: Manifest) -> Logits:
    """The logits that the bulk job stores: fp32's where a text is scored again."""
    return np.where(bounds.rescored(int8, manifest)[:, None], fp32, int8)


def holding(fp32: Logits, runs: list[Logits], manifest: Manifest) -> tuple[float, list[Logits]]:
    """The smallest factor of WIDER by which no held-out decision differs, or the largest; and what is then stored."""
    for safety in WIDER:
        held_out = stored_by_the_other_half(fp32, runs, manifest, safety)
        if not any(decisions_that_differ(fp32, run, manifest) for run in held_out):
            break
    return safety, held_out


def stored_by_the_other_half(
    fp32: Logits, runs: list[Logits], manifest: Manifest, safety: float = SAFETY
) -> list[Logits]:
    """`stored` of each run, every second text by bounds measured on the others: do bounds hold on new texts?"""
    found = [np.empty_like(run) for run in runs]
    for mine, others in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        bounds = measure(fp32[others], [run[others] for run in runs], manifest, safety)
        for run, result in zip(runs, found, strict=True):
            result[mine] = stored(fp32[mine], run[mine], bounds, manifest)
    return found


def decisions_that_differ(fp32: Logits, stored: Logits, manifest: Manifest) -> int:
    """Texts whose stored label or abstention is not fp32's."""
    differ = stored.argmax(axis=1) != fp32.argmax(axis=1)
    if manifest.abstain_below is not None:
        abstained = [best_p(logits, manifest.temperature) < manifest.abstain_below for logits in (stored, fp32)]
        differ |= abstained[0] != abstained[1]
    return int(differ.sum())


def best_p(logits: Logits, temperature: float) -> npt.NDArray[np.float32]:
    """Probability of the best label, (texts,)."""
    return np.asarray(probabilities(logits, temperature).max(axis=1))


def _rounded_up(bound: float) -> float:
    """To four decimals, so that the serving version does not hang on the last bits of a sum; and never to zero, or ties
    that only the last bits of fp32 decide would not be scored again."""
    return max(math.ceil(bound * 1e4), 1) / 1e4 if math.isfinite(bound) else bound
