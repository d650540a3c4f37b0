"""Integrated Gradients of logits with respect to the word embeddings. The only module that imports captum.

It knows rows of token ids and labels. It does not know text, words, labels' names, the store or the queue.
Captum integrates the pieces into which `mesh` cuts a path; where a piece does not account for the change of its logit,
which forward passes give exactly, it is cut again. The seam that Captum leaves open, `gradient_func`, is where passes
are shared between the labels of a tweet and between the tweets of one batch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import IntegratedGradients

from explain_worker import mesh
from explain_worker.mesh import Curve, Piece
from explain_worker.path import BASELINES, Passes, Path, Row

METHOD = "integrated_gradients"
BASELINE = BASELINES[0]
LARGEST_ERROR = 0.05  # relative completeness error of an attribution that counts as converged
SOUGHT_ERROR = 0.022  # the same, of one that is good enough; until then pieces are cut again
LOCAL_ERROR = 3  # times as much may be missed by all pieces together, where what one misses another has too much of
SMALLEST_CHANGE = 0.05  # logits; floor of the denominator, so that near-zero changes can pass
NODES = 2  # gradients per piece (Gauss-Legendre)
_ROUNDS = 10  # of cutting
_REDUCED_ROUNDS = 2  # in bf16, whose rounding no cut removes: what fails then is done again in fp32
_MOST_NODES = 200  # per tweet and label; a logit that oscillates never adds up

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Attribution:
    scores: list[float]  # (tokens,) raw and signed, on the logit scale
    steps: int  # gradients
    logit: float
    logit_baseline: float
    precision: str  # of the gradients; logits are always fp32
    duration_ms: float  # this attribution's share of its batch, all tries included

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


@dataclass(slots=True)
class _Line:
    """One tweet and label: what has one attribution. `pieces` hold the scores of their tokens, (tokens,)."""

    number: int
    target: int
    pieces: dict[Piece, Floats] = field(default_factory=dict)
    nodes: int = 0
    precision: str = "fp32"

    def missed(self, curve: Curve) -> dict[Piece, float]:
        """Logits by which each piece misses the change of the logit over it, signed."""
        return {piece: float(scores.sum() - curve.change(piece)[self.target]) for piece, scores in self.pieces.items()}

    def to_cut(self, curve: Curve, sought: float) -> list[Piece]:
        """The pieces that miss most, until the others miss little enough; none where all is well or hopeless."""
        most = sought * max(abs(float(curve.change((0.0, 1.0))[self.target])), SMALLEST_CHANGE)
        missed = self.missed(curve)
        net, left = sum(missed.values()), sum(map(abs, missed.values()))
        if not (abs(net) > most or left > LOCAL_ERROR * most) or self.nodes >= _MOST_NODES:  # nan is hopeless
            return []
        chosen: list[Piece] = []
        for piece in sorted(missed, key=lambda piece: -abs(missed[piece])):
            if abs(net) <= most and left <= LOCAL_ERROR * most:
                break
            chosen.append(piece)
            net, left = net - missed[piece], left - abs(missed[piece])
        return chosen


def explain(
    network: torch.nn.Module,
    special_ids: Mapping[str, int],
    rows: Sequence[Row],
    baseline: str = BASELINE,
    passes: Passes | None = None,
    sought: float = SOUGHT_ERROR,
) -> list[Attribution]:
    """One attribution per row and target, row after row. Those that never converge say so.

    `network` is fp32 and says the logits; `passes` computes gradients, and is the same network where it is None. Where
    the logits are not finite no gradient is computed, and the scores are nan.
    """
    exact = Passes(network) if passes is None else replace(passes, network=network, precision="fp32")
    began = time.perf_counter()
    path = Path(network, special_ids, rows, baseline)
    curves = mesh.scan(lambda points: path.values(exact, points), len(rows))
    lines = [_Line(number, target) for number, row in enumerate(rows) for target in row.targets]
    moving = [line for line in lines if path.moves(line.number) and curves[line.number].finite]
    if passes is not None and passes.precision != exact.precision:
        _integrate(path, exact, passes, curves, moving, sought, _REDUCED_ROUNDS)
        moving = [line for line in moving if not _attribution(line, curves, rows).relative_error <= sought]
    _integrate(path, exact, exact, curves, moving, sought, _ROUNDS)
    elapsed_ms = (time.perf_counter() - began) * 1000
    work = [len(rows[line.number].ids) * (1 + line.nodes) for line in lines]
    return [
        replace(_attribution(line, curves, rows), duration_ms=elapsed_ms * mine / sum(work))
        for line, mine in zip(lines, work, strict=True)
    ]


def _integrate(
    path: Path,
    exact: Passes,
    passes: Passes,
    curves: Sequence[Curve],
    lines: Sequence[_Line],
    sought: float,
    rounds: int,
) -> None:
    """Give each line the scores of its pieces by `passes`, and cut those that do not add up, `rounds` times at most."""
    gradients = _PieceGradients(path, passes)
    for line in lines:
        line.pieces, line.precision = {}, passes.precision
    new = [(line, piece) for line in lines for piece in curves[line.number].pieces]
    for turn in range(rounds):
        for (line, piece), scores in zip(new, gradients.scores(new), strict=True):
            line.pieces[piece] = scores
            line.nodes += NODES
        cuts = [
            (line, piece, at)
            for line in lines
            if turn + 1 < rounds
            for piece in line.to_cut(curves[line.number], sought)
            if (at := curves[line.number].cut(piece)) is not None
        ]
        unseen = {(line.number, at) for line, _, at in cuts if at not in curves[line.number].at}
        mesh.look_closer(lambda points: path.values(exact, points), curves, sorted(unseen))
        new = [(line, half) for line, (start, stop), at in cuts for half in ((start, at), (at, stop))]
        for line, piece, _ in cuts:
            del line.pieces[piece]
        if not new:
            return


def _attribution(line: _Line, curves: Sequence[Curve], rows: Sequence[Row]) -> Attribution:
    tokens, logits = len(rows[line.number].ids), curves[line.number].logits[:, line.target]
    scores = sum(line.pieces.values(), np.zeros(tokens) if curves[line.number].finite else np.full(tokens, np.nan))
    return Attribution(scores.tolist(), line.nodes, float(logits[-1]), float(logits[0]), line.precision, 0.0)


class _PieceGradients(IntegratedGradients):  # type: ignore[misc, unused-ignore]
    """Captum's Integrated Gradients over a path's coefficients, from one end of a piece to the other."""

    def __init__(self, path: Path, passes: Passes) -> None:
        super().__init__(lambda points, numbers: path.values(passes, list(zip(numbers, points[:, 0], strict=True))))
        self.gradient_func = self._shared
        self._path, self._passes = path, passes

    def scores(self, pieces: Sequence[tuple[_Line, Piece]]) -> list[Floats]:
        """What each token adds over each piece, (tokens,) each."""
        if not pieces:
            return []
        tokens = [len(self._path.stop[line.number]) for line, _ in pieces]
        ends = torch.tensor([piece for _, piece in pieces], dtype=torch.float64)
        start, stop = (end[:, None].repeat(1, max(tokens)) for end in ends.unbind(1))  # (pieces, tokens)
        scores = self.attribute(
            stop,
            start,
            target=torch.tensor([line.target for line, _ in pieces]),
            additional_forward_args=torch.tensor([line.number for line, _ in pieces]),
            n_steps=NODES,
            method="gausslegendre",
        )
        return [one[:length] for one, length in zip(scores.numpy(), tokens, strict=True)]

    def _shared(
        self,
        forward_fn: object,
        inputs: tuple[torch.Tensor, ...],
        target_ind: torch.Tensor,
        additional_forward_args: tuple[torch.Tensor, ...],
    ) -> tuple[torch.Tensor, ...]:
        """Captum's `gradient_func`: slopes at `inputs`, (nodes x pieces, tokens).

        A point that several labels of a tweet ask for is read once; each label takes a backward pass.
        """
        points, targets = inputs[0].detach(), target_ind.tolist()
        asked: dict[tuple[int, float], list[int]] = {}  # tweet and coefficient → rows of `points`
        for row, key in enumerate(zip(additional_forward_args[0].tolist(), points[:, 0].tolist(), strict=True)):
            asked.setdefault(key, []).append(row)
        slopes = torch.empty_like(points)
        for labels in sorted({len(found) for found in asked.values()}):
            some = {key: found for key, found in asked.items() if len(found) == labels}
            wanted = [[targets[row] for row in found] for found in some.values()]
            numbers, first = [number for number, _ in some], [found[0] for found in some.values()]
            for which, slope in enumerate(self._path.slopes(self._passes, numbers, points[first], wanted)):
                slopes[[found[which] for found in some.values()]] = slope
        return (slopes,)
