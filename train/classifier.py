"""One classifier: fitted on a training split with the best epoch kept by a validation split, and asked for logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from sklearn.metrics import f1_score
from transformers import DataCollatorWithPadding

from camembias.labels import Labels
from camembias.scoring import Logits, token_batches
from train import base, loop
from train.progress import Tell

MAX_LENGTH = 128
_TOKEN_BUDGET = 4096
# Fine-tuning is unstable when it takes too few steps (Mosbach et al. 2021), and a model from scratch learns nothing.
_EPOCHS, _SMALL_EPOCHS = 4, 15
_FEWEST_STEPS, _SMALL_FEWEST_STEPS = 200, 400
_MOST_EPOCHS, _SMALL_MOST_EPOCHS = 20, 60
_LEARNING_RATE, _SMALL_LEARNING_RATE = 5e-5, 1e-3


@dataclass(frozen=True, slots=True)
class Options:
    """What a training run may be told. Epochs and learning rate of None are chosen by the base model and the data."""

    base_model: str = base.DEFAULT
    epochs: float | None = None
    learning_rate: float | None = None
    batch_size: int = 32
    accumulate: int = 1
    class_weights: bool = True
    precision: str = "auto"
    max_length: int = MAX_LENGTH
    seed: int = 0
    folds: int = 0  # 0: one split into training, validation and test
    by_author: bool = False


@dataclass(frozen=True, slots=True)
class Classifier:
    tokenizer: Any
    model: Any
    max_length: int
    recipe: loop.Recipe
    history: list[dict[str, float]]  # epoch and macro-F1 on the validation split

    def logits(self, texts: Sequence[str], marked: bool = False) -> Logits:
        """Logits (texts, labels) in fp32, in the order of `texts`, which are normalised; `marked` as in `prepared`."""
        cut = base.as_served(self.tokenizer, self.max_length, marked).encode_batch(texts)
        ids = [encoding.ids for encoding in cut]
        found: Logits = np.zeros((len(ids), self.model.config.num_labels), dtype=np.float32)
        self.model.eval()
        for batch in token_batches([len(row) for row in ids], _TOKEN_BUDGET):
            padded = self.tokenizer.pad({"input_ids": [ids[row] for row in batch]}, return_tensors="pt")
            with torch.inference_mode():
                found[batch] = self.model(**padded.to(self.model.device)).logits.float().cpu().numpy()
        return found


class Tweets(torch.utils.data.Dataset[dict[str, Any]]):
    """Token ids and label of each row."""

    def __init__(self, tokenizer: Any, rows: pl.DataFrame, labels: Labels, max_length: int) -> None:
        cut = base.as_served(tokenizer, max_length).encode_batch(rows["text"].to_list())
        self.ids = [encoding.ids for encoding in cut]
        self.labels = labels.ids(rows["label"].to_list())

    @property
    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.ids]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self.ids[row], "attention_mask": [1] * len(self.ids[row]), "labels": self.labels[row]}


def fit(rows: pl.DataFrame, labels: Labels, options: Options, folder: Path, tell: Tell, title: str) -> Classifier:
    """Train on the rows whose `split` is `train`. Raises InputError when the base model cannot be loaded."""
    train = rows.filter(pl.col("split") == "train")
    validation = rows.filter(pl.col("split") == "validation").sort(pl.col("text").str.len_chars())  # less padding
    tokenizer, model = base.classifier(
        options.base_model, train["text"].to_list(), labels, options.max_length, options.seed
    )
    tweets = Tweets(tokenizer, train, labels, options.max_length)
    recipe = _recipe(options, len(tweets))

    def macro_f1(output: Any) -> float:
        predicted = output.predictions.argmax(axis=1)
        return float(f1_score(output.label_ids, predicted, labels=range(len(labels)), average="macro", zero_division=0))

    history = loop.fit(
        model,
        tweets,
        tweets.lengths,
        DataCollatorWithPadding(tokenizer),
        recipe,
        folder,
        tell,
        title,
        judge=loop.Judge(Tweets(tokenizer, validation, labels, options.max_length), "macro_f1", macro_f1),
        loss=_weighted(tweets.labels, len(labels)) if options.class_weights else None,
    )
    return Classifier(tokenizer, model, options.max_length, recipe, history)


def _recipe(options: Options, tweets: int) -> loop.Recipe:
    small = base.small(options.base_model)
    steps = math.ceil(tweets / (options.batch_size * options.accumulate))
    usual, fewest, most = (
        (_SMALL_EPOCHS, _SMALL_FEWEST_STEPS, _SMALL_MOST_EPOCHS) if small else (_EPOCHS, _FEWEST_STEPS, _MOST_EPOCHS)
    )
    epochs = options.epochs or max(usual, min(most, math.ceil(fewest / steps)))
    return loop.Recipe(
        epochs=epochs,
        learning_rate=options.learning_rate or (_SMALL_LEARNING_RATE if small else _LEARNING_RATE),
        batch_size=options.batch_size,
        seed=options.seed,
        accumulate=options.accumulate,
        patience=max(3, math.ceil(epochs / 3)),
        precision=options.precision,
    )


def _weighted(label_ids: Sequence[int], labels: int) -> Any:
    """Cross-entropy in which every label weighs the same in sum: tweet weights n / (labels × tweets of its label)."""
    counts = np.maximum(np.bincount(label_ids, minlength=labels), 1)
    weights = torch.tensor(len(label_ids) / (labels * counts), dtype=torch.float32)

    def loss(output: Any, truth: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        found = torch.nn.functional.cross_entropy(
            output.logits.float(), truth.view(-1), weights.to(output.logits.device), reduction="sum"
        )
        return found / (truth.numel() if num_items_in_batch is None else num_items_in_batch)

    return loss
