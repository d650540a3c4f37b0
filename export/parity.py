"""What ONNX and int8 change: every graph against PyTorch on the same texts, and the bound for re-scoring."""

from __future__ import annotations

from typing import Any

import numpy as np

from camembias.scoring import Logits, margins

TOLERANCE_FP32 = 1e-3  # logits; beyond it the graph is not the model
SAFETY = 1.5  # the parity texts are a sample: the stream may hold worse


def compare(reference: Logits, served: Logits, labels: tuple[str, ...]) -> dict[str, Any]:
    """max and p99 |Δlogit|, and how many labels flip, overall and per label of the reference."""
    difference = np.abs(reference - served).max(axis=1)
    before, after = reference.argmax(axis=1), served.argmax(axis=1)
    flips = {name: int((after[before == i] != i).sum()) for i, name in enumerate(labels)}
    return {
        "texts": len(reference),
        "max_abs_logit": float(difference.max()),
        "p99_abs_logit": float(np.quantile(difference, 0.99)),
        "flips": int((before != after).sum()),
        "flips_per_label": flips,
    }


def rescore_margin(reference: Logits, int8: Logits) -> float:
    """Margin in logits under which an int8 label is scored again in fp32.

    A label can only flip when the error of the difference between two logits exceeds the margin, so the bound is
    the largest such error on the parity texts, times a safety factor.
    """
    error = int8 - reference
    spread = error.max(axis=1) - error.min(axis=1)
    return float(SAFETY * spread.max())


def rescored_share(int8: Logits, bound: float) -> float:
    return float((margins(int8) < bound).mean())
