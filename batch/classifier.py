"""int8 for all, fp32 for those whose label or abstention int8 cannot be trusted with.

What is stored must depend on nothing but the text and the model, while last bits of logits also depend on the other
tweets of a batch: by about 1e-6 in fp32, and in int8 where they turn a code, far below the bound measured at export. So
a tweet whose decision is within the bound is scored again in fp32, and one whose decision is within `TIE` there is
scored once more, alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from camembias import logs
from camembias.bundle import Bundle
from camembias.scoring import TOKEN_BUDGET, Logits, Scorer, Tokens, margins, probabilities
from camembias.settings import cpu_count

Flags = npt.NDArray[np.bool_]  # (tweets,)
TIE = 1e-4  # logits: a hundred times what batching changes in fp32


@dataclass(slots=True)
class Classifier:
    bundle: Bundle
    int8: Scorer | None  # None: the bundle serves in fp32 only
    fp32: Scorer

    @classmethod
    def open(cls, bundle: Bundle, threads: int | None = None, token_budget: int = TOKEN_BUDGET) -> Classifier:
        """One thread a CPU unless told otherwise. Raises BundleError when the bundle has no ONNX yet."""
        _ = bundle.serving_version  # raises before any session is opened
        layout, length, threads = bundle.layout, bundle.manifest.max_length, threads or cpu_count()
        int8 = None
        if layout.onnx_int8.exists():
            int8 = Scorer.open(layout, layout.onnx_int8, length, threads, token_budget)
            if not int8.sums_are_exact():
                message = f"int8 is not exact on this CPU, so fp32 serves; for int8: camembias export {layout.root}"
                logs.event("int8_not_exact", message, {"model": str(layout.root)}, logging.WARNING)
                int8 = None
        return cls(bundle, int8, Scorer.open(layout, layout.onnx, length, threads, token_budget))

    def encode(self, texts: list[str]) -> Tokens:
        return self.fp32.encode(texts)

    def scores(self, tokens: Tokens, advance: Callable[[int], None] = lambda _: None) -> tuple[Logits, Flags]:
        """Logits (texts, labels) to be stored, and which of them were scored again in fp32."""
        if not tokens:
            return np.empty((0, len(self.bundle.labels.names)), dtype=np.float32), np.zeros(0, dtype=np.bool_)
        logits = (self.int8 or self.fp32).run(tokens, advance)
        again = np.zeros(len(tokens), dtype=np.bool_) if self.int8 is None else ~self._sure(logits, *self._bounds())
        if again.any():
            logits[again] = self.fp32.run(_only(tokens, again))
        exact = again if self.int8 is not None else np.ones(len(tokens), dtype=np.bool_)
        tied = exact & ~self._sure(logits, TIE)
        if tied.any():
            logits[tied] = self.fp32.run(_only(tokens, tied), alone=True)
        return logits, again

    def _bounds(self) -> tuple[float, float | None]:
        """Margin in logits, and distance of p from the abstention threshold, under which int8 is not trusted."""
        manifest = self.bundle.manifest
        return (np.inf if manifest.rescore_margin is None else manifest.rescore_margin), manifest.rescore_p

    def _sure(self, logits: Logits, margin: float, p: float | None = None) -> Flags:
        """Whether label and abstention are further than this from turning. Not for NaN.

        Without a bound for p, it follows from `margin`: when no difference of two logits moves by more than that, the
        log-odds of the best label move by no more than that over the temperature.
        """
        sure: Flags = margins(logits) >= margin
        threshold, temperature = self.bundle.manifest.abstain_below, self.bundle.manifest.temperature
        if threshold is not None:
            best = probabilities(logits, temperature).max(axis=1).astype(np.float64)
            if p is not None:
                sure &= np.abs(best - threshold) > p
                return sure
            with np.errstate(divide="ignore", invalid="ignore"):
                odds, edge = np.log(best / (1 - best)), np.log(np.float64(threshold) / (1 - np.float64(threshold)))
            sure &= np.abs(odds - edge) > margin / temperature
        return sure


def _only(tokens: Tokens, chosen: Flags) -> Tokens:
    return [tokens[row] for row in np.flatnonzero(chosen)]
