"""Every row scored by a model that never saw it: one model a fold, the logits pooled."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from camembias.files import replacing
from camembias.labels import Labels
from camembias.scoring import Logits
from train import classifier
from train.classifier import Classifier, Options
from train.evidence import Evidence
from train.progress import Tell
from train.splits import INNER_SHARES, split, without_duplicates_of

Rewrite = Callable[[Sequence[str], Labels, str], Mapping[str, list[str]]]  # texts, labels, mask token → variants


def score(
    model: Classifier, texts: Sequence[str], labels: Labels, rewrite: Rewrite
) -> tuple[Logits, dict[str, Logits]]:
    """Logits (texts, labels) of the texts and of each of their rewritings."""
    variants = rewrite(texts, labels, model.tokenizer.mask_token)
    return model.logits(texts), {name: model.logits(changed, marked=True) for name, changed in variants.items()}


def out_of_fold(
    rows: pl.DataFrame,
    labels: Labels,
    options: Options,
    by_author: bool,
    folder: Path,
    tell: Tell,
    title: str,
    rewrite: Rewrite,
) -> Evidence:
    """`rows` have the column `fold`. The rest of each fold is split once more, for early stopping.

    Finished folds are kept in `folder` and not trained again.
    """
    folds = sorted(rows["fold"].unique())
    pooled: dict[str, Logits] = {}
    for number, fold in enumerate(folds, start=1):
        left_out = (rows["fold"] == fold).to_numpy()
        done = folder / f"fold-{fold}.npz"
        if not done.exists():
            judged = rows.filter(pl.Series(left_out))
            rest = without_duplicates_of(rows.filter(~pl.Series(left_out)), judged)
            rest = split(rest, options.seed, by_author, INNER_SHARES)
            chosen = replace(options, seed=options.seed + number)
            model = classifier.fit(
                rest, labels, chosen, folder / f"fold-{fold}", tell, f"{title}, fold {number} of {len(folds)}"
            )
            logits, variants = score(model, judged["text"].to_list(), labels, rewrite)
            _save(done, {"logits": logits, **{f"variant {name}": found for name, found in variants.items()}})
            shutil.rmtree(folder / f"fold-{fold}")
        with np.load(done, allow_pickle=False) as saved:
            for name in saved.files:
                pooled.setdefault(name, np.zeros((len(rows), len(labels)), dtype=np.float32))[left_out] = saved[name]
    variants = {name.removeprefix("variant "): found for name, found in pooled.items() if name != "logits"}
    return Evidence(rows, rows, pooled["logits"], rows, pooled["logits"], variants, rows["fold"])


def _save(path: Path, arrays: Mapping[str, Logits]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]
