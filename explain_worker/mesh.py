"""Where the path of a tweet is cut, so that two gradients per piece account for what its logits do.

Along the path from a masked tweet to the tweet itself, a logit of a fine-tuned model is nearly a step: much of its
change lies in a hundredth of the path, and a rule with fixed nodes steps over it (decision 0052). So the logits are
read first, by forward passes alone, more closely where they move. Then the path is cut into pieces that hold about the
same share of the change. Stretches in which little happens are long, but never all of the path, because scores of words
can cancel there. It knows coefficients from 0 to 1 and logits. It does not know the model, nor how a piece is
integrated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Piece = tuple[float, float]  # from, to: coefficients
PIECES = 6  # about as many per tweet; more are cut where a piece does not add up
LEAST_CHANGE = 0.05  # logits; a label that moves less along the whole path does not ask for cuts of its own
_FIRST_LOOK = 8  # equal steps
_FLAT = 0.5  # what a whole path without any change weighs beside one whole change
_NARROWEST = 2.0**-14  # of a piece: beyond it coefficients in fp32 hardly differ

Look = Callable[[Sequence[tuple[int, float]]], Floats]  # logits, (points, labels), at points of tweets by number


@dataclass(slots=True)
class Curve:
    """Logits of one tweet along its path: `at` rises from 0 to 1, `logits` is (points, labels).

    `pieces` and where they may be cut follow from the scan alone, which looks at all labels of the model: what is
    explained of a tweet does not depend on which other labels are.
    """

    at: Floats
    logits: Floats
    pieces: list[Piece] = field(default_factory=list)
    scanned: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.logits).all())

    def weights(self) -> Floats:
        """How much happens between neighbouring points, (points - 1,): the largest share, over labels, of all that the
        label's logit moves up and down, and a little for the length."""
        moves = np.abs(np.diff(self.logits, axis=0))
        shares = moves / np.maximum(moves.sum(axis=0), LEAST_CHANGE)
        return np.asarray(shares.max(axis=1) + _FLAT * np.diff(self.at))

    def to_look_at(self) -> list[float]:
        """Middles of the steps in which more happens than in one of PIECES equal parts."""
        weights, wide = self.weights(), np.diff(self.at) > 2 * _NARROWEST
        coarse = np.flatnonzero((weights > weights.sum() / PIECES) & wide)
        return [float(self.at[step] + self.at[step + 1]) / 2 for step in coarse]

    def add(self, at: float, logits: Floats) -> None:
        place = int(np.searchsorted(self.at, at))
        self.at, self.logits = np.insert(self.at, place, at), np.insert(self.logits, place, logits, axis=0)

    def settle(self) -> None:
        """End the scan: neighbouring steps become one piece while no more happens in it than in one of PIECES parts."""
        if not self.finite:
            return
        weights = self.weights()
        most, cuts, held = weights.sum() / PIECES * 1.05, [0], 0.0
        for step, weight in enumerate(weights):
            if held and held + weight > most:
                cuts.append(step)
                held = 0.0
            held += weight
        ends = self.at[[*cuts, len(weights)]].tolist()
        self.pieces, self.scanned = list(pairwise(ends)), self.at

    def change(self, piece: Piece) -> Floats:
        """What the logit of each label gains over a piece, (labels,). Its ends must be points of the curve."""
        first, last = np.searchsorted(self.at, piece)
        return np.asarray(self.logits[last] - self.logits[first])

    def cut(self, piece: Piece) -> float | None:
        """Where to cut a piece that does not add up: at the scanned point inside it that halves the change best, or in
        its middle, where nobody has looked yet. None: it is too narrow."""
        start, stop = piece
        if stop - start < 2 * _NARROWEST:
            return None
        inside = self.scanned[(self.scanned > start) & (self.scanned < stop)]
        if not len(inside):
            return (start + stop) / 2
        uneven = [abs(np.abs(self.change((start, at))).max() - np.abs(self.change((at, stop))).max()) for at in inside]
        return float(inside[int(np.argmin(uneven))])


def scan(look: Look, tweets: int) -> list[Curve]:
    """The curves of so many tweets: equal steps, then halves of those in which most happens until none stands out.

    Tweets whose logits are not finite somewhere are looked at no further.
    """
    at = np.linspace(0, 1, _FIRST_LOOK + 1)
    points = [(number, float(x)) for number in range(tweets) for x in at]
    logits = look(points).reshape(tweets, len(at), -1) if tweets else np.empty((0, len(at), 0))
    curves = [Curve(at, one) for one in logits]
    while points := [(number, x) for number, one in enumerate(curves) if one.finite for x in one.to_look_at()]:
        look_closer(look, curves, points)
    for curve in curves:
        curve.settle()
    return curves


def look_closer(look: Look, curves: Sequence[Curve], points: Sequence[tuple[int, float]]) -> None:
    """Add the logits at new points to the curves of their tweets."""
    for (number, at), logits in zip(points, look(points), strict=True):
        curves[number].add(at, logits)
