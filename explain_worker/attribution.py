"""Integrated Gradients of logits with respect to the word embeddings. The only module that imports captum.

It knows rows of token ids and labels. It does not know text, words, labels' names, the store or the queue.
Captum walks the path and adds up; the seam it leaves open, `gradient_func`, is where passes are shared: between the
labels of a tweet, between tweets of one batch, and between the rules of growing size that a tweet may need.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from captum.attr import IntegratedGradients

from explain_worker.path import BASELINES, Passes, Path, Row
from explain_worker.quadrature import LEVELS, rule

METHOD = "integrated_gradients"
BASELINE = BASELINES[0]
LARGEST_ERROR = 0.05  # relative completeness error of an attribution that counts as converged
SOUGHT_ERROR = 0.03  # above it more nodes are tried: twice as many cut the error by a hundred, mostly (decision 0020)
SMALLEST_CHANGE = 0.05  # logits; floor of the denominator, so that near-zero changes can pass
BF16_LEVELS = LEVELS[:3]  # rounding, not the rule, bounds bf16's error: what fails with these is done again in fp32

Line = tuple[int, int]  # a row's number and a label's id: what has one attribution


@dataclass(frozen=True, slots=True)
class Attribution:
    scores: list[float]  # (tokens,) raw and signed, on the logit scale
    steps: int
    logit: float
    logit_baseline: float
    precision: str  # of the gradients; logits are always fp32
    duration_ms: float  # this attribution's share of its batches, all tries included

    @property
    def delta(self) -> float:
        """Logits by which the scores miss the change that they explain."""
        return sum(self.scores) - (self.logit - self.logit_baseline)

    @property
    def relative_error(self) -> float:
        return abs(self.delta) / max(abs(self.logit - self.logit_baseline), SMALLEST_CHANGE)

    @property
    def converged(self) -> bool:
        return self.relative_error <= LARGEST_ERROR  # False for nan


def explain(
    network: torch.nn.Module,
    special_ids: Mapping[str, int],
    rows: Sequence[Row],
    baseline: str = BASELINE,
    passes: Passes | None = None,
    levels: Sequence[int] = LEVELS,
) -> list[Attribution]:
    """One attribution a row and target, row after row. Those that never converge keep their best try, and say so.

    `network` is fp32 and says the logits; `passes` computes gradients, and is the same network where it is None.
    """
    exact = Passes(network) if passes is None else replace(passes, network=network, precision="fp32")
    tries = [(exact, levels)]
    if passes is not None and passes.precision != exact.precision:
        tries = [(passes, [level for level in levels if level in BF16_LEVELS]), *tries]
    path = Path(network, special_ids, rows, baseline)
    began = time.perf_counter()
    lines = [(number, target) for number, row in enumerate(rows) for target in row.targets]
    ends = dict(zip(lines, _ends(path, exact, lines), strict=True))
    found: dict[Line, Attribution] = {}
    for way, ladder in tries:
        method = _SharedGradients(path, way)
        # nan counts as not converged, and so does what has no try yet
        pending = [line for line in lines if line not in found or not found[line].converged]
        for level in ladder:
            if not pending:
                break
            scores = method.scores(pending, level)
            share = (time.perf_counter() - began) * 1000 / len(pending)
            began = time.perf_counter()
            for line, score in zip(pending, scores, strict=True):
                new = Attribution(score[: len(rows[line[0]].ids)], level, *ends[line], way.precision, share)
                found[line] = _better(found.get(line), new)
            pending = [line for line in pending if not found[line].relative_error <= SOUGHT_ERROR]
    return [found[line] for line in lines]


def _ends(path: Path, passes: Passes, lines: Sequence[Line]) -> Iterator[tuple[float, float]]:
    start, stop = path.ends(passes)
    return ((stop[number][target], start[number][target]) for number, target in lines)


def _better(old: Attribution | None, new: Attribution) -> Attribution:
    """More nodes are not always better: keep the smaller error, and the time that both took."""
    if old is None:
        return new
    best = old if old.relative_error < new.relative_error else new
    return replace(best, duration_ms=old.duration_ms + new.duration_ms)


class _SharedGradients(IntegratedGradients):  # type: ignore[misc, unused-ignore]
    """Captum's Integrated Gradients over a path's coefficients, from 0 to 1. It keeps every slope computed."""

    def __init__(self, path: Path, passes: Passes) -> None:
        super().__init__(forward_func=None)
        self.gradient_func = self._gradients
        self._path, self._passes = path, passes
        self._lines: Sequence[Line] = ()
        self._known: dict[Line, torch.Tensor] = {}  # (nodes, tokens)

    def scores(self, lines: Sequence[Line], level: int) -> list[list[float]]:
        """Attributions of tokens by the rule of `level` nodes, (lines, tokens), padded to the longest tweet.

        The lines of one call must all have been in the calls before it, if there were any.
        """
        self._lines = lines
        stop = torch.ones(len(lines), max(map(len, self._path.stop)), dtype=torch.float64)
        nodes, weights = rule(level)
        # The public `attribute` knows Gauss-Legendre and Riemann rules only, and calls this with their nodes.
        [scores] = self._attribute(
            (stop,), (torch.zeros_like(stop),), n_steps=level, step_sizes_and_alphas=(weights, nodes)
        )
        listed: list[list[float]] = scores.tolist()
        return listed

    def _gradients(self, inputs: tuple[torch.Tensor, ...], **_: object) -> tuple[torch.Tensor, ...]:
        """Captum's `gradient_func`: slopes at `inputs`, (nodes x lines, tokens). Only new nodes are computed."""
        points = inputs[0].detach().view(-1, len(self._lines), inputs[0].shape[1])  # (nodes, lines, tokens)
        fresh = points[len(self._known.get(self._lines[0], ())) :]
        targets: dict[int, list[int]] = {}
        for number, target in self._lines:
            targets.setdefault(number, []).append(target)
        at = {number: position for position, (number, _) in enumerate(self._lines)}  # a tweet's lines are alike
        for count in sorted({len(wanted) for wanted in targets.values()}):  # one backward pass a label: as many for all
            numbers = [number for number, wanted in targets.items() if len(wanted) == count]
            every = fresh[:, [at[number] for number in numbers]]  # (new nodes, tweets, tokens)
            many = numbers * len(every)
            slopes = self._path.slopes(self._passes, many, every.flatten(0, 1), [targets[number] for number in many])
            for which, slope in enumerate(slopes):
                for number, added in zip(numbers, slope.view(every.shape).unbind(1), strict=True):
                    line = (number, targets[number][which])
                    self._known[line] = torch.cat([self._known[line], added]) if line in self._known else added
        return (torch.stack([self._known[line] for line in self._lines], dim=1).flatten(0, 1),)
