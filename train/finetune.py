"""Fine-tunes a CamemBERT classifier and saves it as a bundle.

The story of the stage: plan who is trained and judged on what → with folds, one model a fold, so that every row is
judged by a model that never saw it → the model that is kept → judge → write the bundle, manifest last.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from camembias import bundle
from camembias.bundle import Bundle, Layout, Manifest
from camembias.files import write_text
from camembias.labels import Labels
from train import base, classifier, crossvalidation, loop, training_words
from train.card import model_card
from train.classifier import Classifier, Options
from train.evaluate import draw, judge
from train.evidence import Evidence
from train.progress import Tell, silent
from train.shortcuts import variants
from train.splits import INNER_SHARES, LEFT_OUT, SHARES, folds, lacking, split
from train.table import Labelled
from train.working import working


@dataclass(frozen=True, slots=True)
class Plan:
    """`rows` in an order that does not depend on the file's, with `split`, and `fold` and `random_fold` if asked."""

    rows: pl.DataFrame
    labels: Labels
    options: Options
    dropped: dict[str, int] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def by_author(self) -> bool:
        return self.options.by_author and self.rows["author"].null_count() < len(self.rows)

    @property
    def left_out(self) -> dict[str, int]:
        """Reason → tweets that the table has and the split has not."""
        twins = int((self.rows["split"] == LEFT_OUT).sum())
        return {"says the same as a tweet that judges the model": twins} if twins else {}

    def counts(self, column: str) -> pl.DataFrame:
        """Tweets of each label on each side of `split` or `fold`, and the side's share of all."""
        found = self.rows.group_by(column).agg(
            pl.len().alias("tweets"),
            (100 * pl.len() / len(self.rows)).round(1).alias("share_percent"),
            *((pl.col("label") == label).sum().alias(label) for label in self.labels.names),
        )
        return found.sort(pl.col(column).cast(pl.Enum([*SHARES, LEFT_OUT])) if column == "split" else column)

    def warnings(self) -> list[str]:
        names = {"split": "the split", "fold": "fold", "random_fold": "random fold"}
        return [
            f"{names[column]} {side} has no tweet of: {', '.join(labels)}"
            for column in names
            if column in self.rows.columns
            for side, labels in lacking(self.rows, column).items()
            if side != LEFT_OUT
        ]


def plan(data: Labelled, options: Options) -> Plan:
    """Decide the split, or the folds. Raises InputError when there are too few groups for them."""
    rows = data.rows.sort("duplicate_group", "text", "label", "author", "tweet_id")
    made = Plan(rows, Labels.of(rows["label"]), options, data.dropped, data.columns)
    if not options.folds:
        rows = split(rows, options.seed, made.by_author, SHARES)
    else:
        rows = split(rows, options.seed, made.by_author, INNER_SHARES)
        rows = folds(rows, options.folds, options.seed, made.by_author)
        if made.by_author:
            at_random = folds(rows, options.folds, options.seed, by_author=False)["fold"]
            rows = rows.with_columns(at_random.alias("random_fold"))
    return Plan(rows, made.labels, options, data.dropped, data.columns)


def train(made: Plan, target: Path, tell: Tell = silent, resume: bool = False) -> Bundle:
    """Train as planned and write a bundle to `target`, which is replaced only when all went well.

    Unfinished work is kept in the folder `NAME.training` beside it. Raises InputError when `target` holds anything but
    a bundle, when the base model cannot be loaded, or when that folder holds a run that this one may not go on with.
    """
    target = bundle.replaceable(target)
    loop.precision(made.options.precision)  # refused before anything is made
    with working(target, _identity(made), resume) as folder:
        random_folds = None
        if made.options.folds:
            evidence = _folded(made, folder, tell, "fold", "authors apart" if made.by_author else "random")
            if made.by_author:
                random_folds = _folded(made, folder, tell, "random_fold", "random")
        kept = classifier.fit(made.rows, made.labels, made.options, folder / "final", tell, "the model that is kept")
        if not made.options.folds:
            evidence = _split(made, kept)
        with bundle.building(target) as layout:
            _write(layout, target.name, made, kept, evidence, random_folds)
    return bundle.load(target)


def _folded(made: Plan, folder: Path, tell: Tell, column: str, title: str) -> Evidence:
    rows = made.rows.drop("fold").rename({column: "fold"}) if column != "fold" else made.rows
    by_author = made.by_author and column == "fold"
    return crossvalidation.out_of_fold(
        rows, made.labels, made.options, by_author, folder / column, tell, title, variants
    )


def _split(made: Plan, model: Classifier) -> Evidence:
    parts = {name: made.rows.filter(pl.col("split") == name) for name in SHARES}
    held_out, calibration = parts["test"]["text"].to_list(), parts["validation"]["text"].to_list()
    logits, rewritten = crossvalidation.score(model, held_out, made.labels, variants)
    return Evidence(
        parts["train"],
        parts["test"],
        logits,
        parts["validation"],
        model.logits(calibration),
        rewritten,
        models=math.ceil(model.recipe.epochs),  # planned: how many are run depends on the tweets
    )


def _write(
    layout: Layout, name: str, made: Plan, kept: Classifier, evidence: Evidence, random_folds: Evidence | None
) -> None:
    kept.model.save_pretrained(str(layout.checkpoint), safe_serialization=True)
    kept.tokenizer.save_pretrained(str(layout.checkpoint))
    judged = judge(evidence, made.labels, seed=made.options.seed, random_folds=random_folds)
    write_text(layout.metrics, json.dumps(judged.metrics, ensure_ascii=False, indent=1, allow_nan=False))
    draw(judged.metrics, layout)
    salt = training_words.save(made.rows, layout.training_words)
    manifest = Manifest(
        model_version=bundle.model_version(layout, made.labels),
        labels=made.labels.names,
        base_model=base.resolve(made.options.base_model),
        base_revision=base.revision(made.options.base_model, kept.model),
        max_length=made.options.max_length,
        data=_describe(made, kept),
        metrics=judged.metrics,
        temperature=judged.temperature,
        abstain_below=judged.abstain_below,
        training_salt=salt,
    )
    write_text(layout.model_card, model_card(name, manifest))
    bundle.seal(layout, manifest)


def _identity(made: Plan) -> dict[str, Any]:
    """What a resumed run must have in common with the one that was killed."""
    content = hashlib.sha256(made.rows.write_csv().encode()).hexdigest()[:12]
    return {"data": content, "labels": list(made.labels.names), **asdict(made.options)}


def _describe(made: Plan, kept: Classifier) -> dict[str, Any]:
    rows = made.rows
    counts = rows.group_by("split", "label").len().sort("split", "label")
    content = hashlib.sha256("\0".join(sorted(rows["text"] + "\t" + rows["label"])).encode()).hexdigest()[:12]
    return {
        "tweets": len(rows),
        "fingerprint": content,
        "columns": made.columns,
        "duplicate_groups": rows["duplicate_group"].n_unique(),
        "authors": rows["author"].drop_nulls().n_unique(),
        "authors_apart": made.by_author,
        "dropped": {**made.dropped, **made.left_out},
        "split_seed": made.options.seed,
        "splits": [dict(zip(("split", "label", "tweets"), row, strict=True)) for row in counts.iter_rows()],
        "folds": made.counts("fold").to_dicts() if made.options.folds else [],
        "lacking": made.warnings(),
        "training": {
            **asdict(kept.recipe),
            "precision": loop.precision(kept.recipe.precision),
            "class_weights": made.options.class_weights,
            "epochs_run": len(kept.history),
            "best_epoch": max(kept.history, key=lambda entry: entry["macro_f1"])["epoch"],
        },
    }
