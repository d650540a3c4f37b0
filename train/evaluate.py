"""How good a model is on tweets it never saw: numbers, and the confusion matrix as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from camembias.bundle import Bundle
from camembias.files import replacing
from camembias.labels import Labels
from camembias.reference import torch_logits


def metrics(truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], labels: Labels) -> dict[str, Any]:
    """Accuracy, macro-F1, precision, recall, F1 per label and the confusion matrix (rows: truth)."""
    ids = list(range(len(labels)))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=ids, zero_division=0)
    per_label = {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "tweets": int(support[i]),
        }
        for i, name in enumerate(labels.names)
    }
    return {
        "tweets": len(truth),
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, labels=ids, average="macro", zero_division=0)),
        "majority_share": float(np.bincount(truth, minlength=len(labels)).max() / max(len(truth), 1)),
        "per_label": per_label,
        "labels": list(labels.names),
        "confusion_matrix": confusion_matrix(truth, predicted, labels=ids).tolist(),
    }


def judge(bundle: Bundle, rows: pl.DataFrame) -> dict[str, Any]:
    """Metrics of a saved model on a table. Raises InputError for a label that the model does not know."""
    truth = np.array(bundle.labels.ids(rows["label"].to_list()), dtype=np.int64)
    return metrics(truth, torch_logits(bundle, rows["text"].to_list()).argmax(axis=1), bundle.labels)


def draw_confusion_matrix(found: dict[str, Any], path: Path) -> None:
    """A PNG: colour is the share of the row (of what a label truly is), text is count and share."""
    rows = []
    for truth, counts in zip(found["labels"], found["confusion_matrix"], strict=True):
        for predicted, count in zip(found["labels"], counts, strict=True):
            share = count / sum(counts) if sum(counts) else 0.0
            rows.append({"truth": truth, "predicted": predicted, "share": share, "text": f"{count} ({share:.0%})"})
    base = alt.Chart(pl.DataFrame(rows)).encode(
        x=alt.X("predicted:N", title="predicted", axis=alt.Axis(labelAngle=0), sort=found["labels"]),
        y=alt.Y("truth:N", title="truth", sort=found["labels"]),
    )
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", title="share of row", scale=alt.Scale(scheme="blues", domain=[0, 1]))
    )
    texts = base.mark_text(fontSize=13).encode(
        text="text:N", color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value("black"))
    )
    title = f"{found['tweets']} test tweets: accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}"
    side = max(320, 110 * len(found["labels"]))
    chart = (cells + texts).properties(width=side, height=side * 0.6, title=title)
    with replacing(path) as temporary:
        chart.save(str(temporary), format="png", scale_factor=2)
