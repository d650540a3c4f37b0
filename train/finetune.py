"""Fine-tunes a CamemBERT classifier with transformers' Trainer and saves it as a bundle.

The story of the stage: read → split → base model → train, best epoch kept by validation macro-F1 → judge once on
the test split → write the bundle, manifest last.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from camembias import bundle
from camembias.bundle import Bundle, Layout, Manifest
from camembias.errors import InputError
from camembias.files import write_text
from camembias.labels import Labels
from camembias.text import words
from train import tiny
from train.card import model_card
from train.evaluate import draw, judge
from train.evidence import Evidence
from train.scores import metrics
from train.shortcuts import variants
from train.splits import split
from train.table import Labelled

TINY = "tiny"


@dataclass(frozen=True, slots=True)
class Options:
    base_model: str = "almanach/camembert-base"
    epochs: float | None = None  # None: 4, or 15 for `tiny`, which starts from nothing
    learning_rate: float | None = None  # None: 5e-5, or 1e-3 for `tiny`
    batch_size: int = 32
    max_length: int = 128
    seed: int = 0


class Tweets(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, tokenizer: Any, rows: pl.DataFrame, labels: Labels, max_length: int) -> None:
        self.ids = tokenizer(rows["text"].to_list(), truncation=True, max_length=max_length)["input_ids"]
        self.labels = labels.ids(rows["label"].to_list())

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self.ids[row], "attention_mask": [1] * len(self.ids[row]), "labels": self.labels[row]}


def train(data: Labelled, target: Path, options: Options, callbacks: list[TrainerCallback] | None = None) -> Bundle:
    """Train on `data` and write a bundle to `target`, which is replaced only when all went well.

    Raises InputError when the base model is neither a folder nor reachable.
    """
    rows = split(data.rows, options.seed)
    labels = Labels.of(rows["label"])
    parts = {name: rows.filter(pl.col("split") == name) for name in ("train", "validation", "test")}
    with bundle.building(target) as layout:
        tokenizer, model = _base(options, parts["train"]["text"].to_list(), labels, layout)
        sets = {name: Tweets(tokenizer, part, labels, options.max_length) for name, part in parts.items()}
        trainer = _fit(model, tokenizer, sets, labels, options, callbacks or [])
        trainer.model.save_pretrained(str(layout.checkpoint), safe_serialization=True)
        tokenizer.save_pretrained(str(layout.checkpoint))
        judged = judge(_evidence(trainer, tokenizer, parts, labels, options.max_length), labels, seed=options.seed)
        write_text(layout.metrics, json.dumps(judged.metrics, ensure_ascii=False, indent=1, allow_nan=False))
        draw(judged.metrics, layout)
        _save_training_words(rows, layout)
        manifest = Manifest(
            model_version=bundle.model_version(layout, labels),
            labels=labels.names,
            base_model=options.base_model,
            max_length=options.max_length,
            data=_describe(rows, data.dropped, options.seed),
            metrics=judged.metrics,
            temperature=judged.temperature,
            abstain_below=judged.abstain_below,
        )
        write_text(layout.model_card, model_card(target.name, manifest))
        bundle.seal(layout, manifest)
    return bundle.load(target)


def _evidence(
    trainer: Trainer, tokenizer: Any, parts: dict[str, pl.DataFrame], labels: Labels, max_length: int
) -> Evidence:
    """Logits of the validation and test splits, and of the test split rewritten."""

    trainer.args.group_by_length = False  # or predict answers in another order than it was asked

    def logits(rows: pl.DataFrame) -> Any:
        return np.asarray(trainer.predict(Tweets(tokenizer, rows, labels, max_length)).predictions, dtype=np.float32)

    test = parts["test"]
    rewritten = variants(test["text"].to_list(), labels, tokenizer.mask_token)
    return Evidence(
        fitted=parts["train"],
        held_out=test,
        logits=logits(test),
        calibration=parts["validation"],
        calibration_logits=logits(parts["validation"]),
        variants={name: logits(test.with_columns(text=pl.Series(texts))) for name, texts in rewritten.items()},
    )


def _base(options: Options, texts: list[str], labels: Labels, layout: Layout) -> tuple[Any, Any]:
    if options.base_model == TINY:
        tokenizer = tiny.tokenizer(texts, layout.checkpoint, options.max_length)
        return tokenizer, tiny.model(len(tokenizer), labels.names, options.max_length, options.seed)
    torch.manual_seed(options.seed)
    try:
        tokenizer = AutoTokenizer.from_pretrained(options.base_model, use_fast=True)
        model = AutoModelForSequenceClassification.from_pretrained(
            options.base_model,
            num_labels=len(labels),
            id2label=dict(enumerate(labels.names)),
            label2id={name: position for position, name in enumerate(labels.names)},
            use_safetensors=True,
        )
    except (OSError, ValueError) as err:
        raise InputError(
            f"cannot load base model '{options.base_model}'; give a folder, or fetch it where there is a network "
            f"(hf download {options.base_model} --local-dir DIR) and pass --base-model DIR, or use --base-model tiny"
        ) from err
    _refuse_broken_vocabulary(tokenizer, options.base_model)
    return tokenizer, model


def _refuse_broken_vocabulary(tokenizer: Any, name: str) -> None:
    """A tokenizer file that failed to load half-way gives a near-empty vocabulary without an error."""
    probe = tokenizer("Les centrales nucléaires françaises produisent de l'électricité.", add_special_tokens=False)
    unknown = probe["input_ids"].count(tokenizer.unk_token_id) / max(len(probe["input_ids"]), 1)
    if len(tokenizer) < 1000 or unknown > 0.2:
        raise InputError(
            f"the tokenizer of '{name}' knows {len(tokenizer)} pieces and {1 - unknown:.0%} of a French sentence; "
            "fetch its files again, tokenizer.json included"
        )


def _fit(
    model: Any,
    tokenizer: Any,
    sets: dict[str, Tweets],
    labels: Labels,
    options: Options,
    callbacks: list[TrainerCallback],
) -> Trainer:
    scratch = options.base_model == TINY
    with tempfile.TemporaryDirectory(prefix="camembias-train-") as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=options.epochs or (15 if scratch else 4),
            learning_rate=options.learning_rate or (1e-3 if scratch else 5e-5),
            per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=64,
            warmup_ratio=0.1,
            weight_decay=0.01,
            group_by_length=True,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model="macro_f1",
            seed=options.seed,
            report_to=[],
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=torch.cuda.is_available(),
        )

        def scores(output: Any) -> dict[str, float]:
            found = metrics(output.label_ids, output.predictions.argmax(axis=1), labels)
            return {"macro_f1": found["macro_f1"]}

        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=sets["train"],
            eval_dataset=sets["validation"],
            data_collator=DataCollatorWithPadding(tokenizer),
            processing_class=tokenizer,
            compute_metrics=scores,
            callbacks=callbacks,
        )
        _quieten(trainer)
        trainer.train()
    return trainer


def _quieten(trainer: Trainer) -> None:
    """Its printed dictionaries are replaced by the command line's own progress bar."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _save_training_words(rows: pl.DataFrame, layout: Layout) -> None:
    """What the association witness needs, and nothing that could be read as a tweet."""
    salt = os.urandom(16)

    def hashed(value: str | None) -> str | None:
        return None if value is None else hashlib.sha256(salt + value.encode()).hexdigest()[:16]

    frame = pl.DataFrame(
        {
            "tweet": [hashed(value) for value in rows["tweet_id"]],
            "author": pl.Series([hashed(value) for value in rows["author"]], dtype=pl.String()),
            "duplicate_group": rows["duplicate_group"],
            "label": rows["label"],
            "split": rows["split"],
            "words": [sorted({word.word for word in words(text)}) for text in rows["text"]],
        }
    )
    frame.write_parquet(layout.training_words)


def _describe(rows: pl.DataFrame, dropped: dict[str, int], seed: int) -> dict[str, Any]:
    counts = rows.group_by("split", "label").len().sort("split", "label")
    fingerprint = hashlib.sha256("\0".join(sorted(rows["text"] + "\t" + rows["label"])).encode()).hexdigest()[:12]
    return {
        "tweets": len(rows),
        "fingerprint": fingerprint,
        "duplicate_groups": rows["duplicate_group"].n_unique(),
        "dropped": dropped,
        "split_seed": seed,
        "splits": [dict(zip(("split", "label", "tweets"), row, strict=True)) for row in counts.iter_rows()],
    }
