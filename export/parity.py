"""What a served graph changes: its logits against PyTorch's on the same texts, and whether it may serve."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from camembias.scoring import Logits
from export.texts import Texts

TOLERANCE_FP32 = 1e-3  # logits; beyond it the graph is not the model
# Of int8's labels before any is scored again, the share equal to PyTorch's. Re-scoring is for near ties: really trained
# models keep 98 to 100 %. One label in twenty lost is no longer ties, but a graph that is another model.
LEAST_AGREEMENT = 0.95
# of what would be stored, with texts scored again that are under bounds measured on other texts:
MOST_DIFFER = 0  # labels and abstentions
LARGEST_F1_DROP = 0.005
LARGEST_RESCORED = 1 / 3  # share; int8 is twice as fast as fp32 or a little more, and with a third again 1.2 times

Ids = npt.NDArray[np.intp]  # label of each text


def report(reference: Logits, graphs: dict[str, Logits], texts: Texts, labels: tuple[str, ...]) -> dict[str, Any]:
    """Every graph's comparison with PyTorch's `reference`: on the parity texts, and under "stress" on the odd ones."""
    n = texts.parity
    found: dict[str, Any] = {name: compare(reference[:n], run[:n], labels) for name, run in graphs.items()}
    found["stress"] = {name: compare(reference[n:], run[n:], labels) for name, run in graphs.items()}
    found |= {"given": texts.given, "labelled": len(texts.truth)}
    rows = [row for row, label in texts.truth.items() if label in labels]
    if rows:  # real labels say more about F1 than PyTorch's own
        truth = np.array([labels.index(texts.truth[row]) for row in rows])
        exact = macro_f1(truth, reference[rows].argmax(axis=1))
        for name, run in graphs.items():
            found[name]["macro_f1_drop"] = exact - macro_f1(truth, run[rows].argmax(axis=1))
    return found


def compare(reference: Logits, served: Logits, labels: tuple[str, ...]) -> dict[str, Any]:
    """max and p99 |Δlogit|, agreement of the labels overall and for each label of the reference, loss of macro-F1.

    Macro-F1 is taken against the reference's labels, so that the reference's own is 1.
    """
    difference = np.abs(reference - served).max(axis=1)
    before, after = reference.argmax(axis=1), served.argmax(axis=1)
    same = before == after
    return {
        "texts": len(reference),
        "max_abs_logit": float(difference.max()),
        "p99_abs_logit": float(np.quantile(difference, 0.99)),
        "flips": int((~same).sum()),
        "agreement": float(same.mean()),
        "agreement_per_label": {
            name: float(same[before == i].mean()) if (before == i).any() else None for i, name in enumerate(labels)
        },
        "macro_f1_drop": 1 - macro_f1(before, after),
    }


def macro_f1(truth: Ids, found: Ids) -> float:
    """Mean over the labels that occur in either of 2 · both / (truth + found)."""
    present = np.union1d(truth, found)
    both = [((truth == i) & (found == i)).sum() for i in present]
    either = [(truth == i).sum() + (found == i).sum() for i in present]
    return float(np.mean(2 * np.array(both) / np.array(either)))


def refusal(agreement: float, differ: int, f1_drop: float, rescored: float) -> str | None:
    """Why int8 may not serve, as the end of a sentence; None when it may. NaN refuses.

    `agreement`, `rescored`: shares of the texts; `differ`: stored labels and abstentions that are not fp32's.
    """
    if not agreement >= LEAST_AGREEMENT:
        return f"it gives PyTorch's label to {agreement:.1%} of texts (accepted: {LEAST_AGREEMENT:.0%})"
    if not differ <= MOST_DIFFER:
        return f"{differ} stored labels or abstentions would not be fp32's (accepted: {MOST_DIFFER})"
    if not f1_drop <= LARGEST_F1_DROP:
        return f"stored labels would lose {f1_drop:.4f} of macro-F1 (accepted: {LARGEST_F1_DROP})"
    if not rescored <= LARGEST_RESCORED:
        return f"{rescored:.0%} of texts would be scored again in fp32 (accepted: {LARGEST_RESCORED:.0%})"
    return None
