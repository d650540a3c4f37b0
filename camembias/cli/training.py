"""train · evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from camembias.cli.console import JsonOption, needs, not_in_a_store, out, print_json, progress_bar
from camembias.cli.learning import (
    Accumulate,
    BaseModel,
    BatchSize,
    Encoding,
    Epochs,
    LearningRate,
    Precision,
    PrecisionOption,
    Resume,
    step_bar,
)
from camembias.errors import InputError

if TYPE_CHECKING:
    from camembias.bundle import Bundle
    from train.finetune import Plan
    from train.table import Labelled

Text = Annotated[str | None, typer.Option("--text-column", help="Column of the text; a,b is the first not empty.")]
Label = Annotated[str | None, typer.Option("--label-column", help="Column of the label; guessed when not given.")]
Id = Annotated[str | None, typer.Option("--id-column", help="Column of the tweet's id; guessed when not given.")]


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(evaluate)


def train(
    data: Annotated[
        list[Path],
        typer.Argument(help="Files or folders of labelled tweets: CSV, TSV, NDJSON, JSON, Parquet; .gz too."),
    ],
    out_: Annotated[Path, typer.Option("--out", help="Folder of the new model bundle.")],
    base_model: BaseModel = "camembert-base",
    text_column: Text = None,
    label_column: Label = None,
    id_column: Id = None,
    group_column: Annotated[
        str | None, typer.Option(help="Column of the author, kept on one side; guessed when not given; or 'none'.")
    ] = None,
    drop_label: Annotated[list[str] | None, typer.Option(help="Leave this label out; may be repeated.")] = None,
    rename_label: Annotated[list[str] | None, typer.Option(help="old=new; may be repeated.")] = None,
    other_label: Annotated[
        str | None, typer.Option(help="Train tweets of every --drop-label as this label instead of leaving them out.")
    ] = None,
    encoding: Encoding = None,
    folds: Annotated[int, typer.Option(help="Judge on every tweet, with this many models; 0: on one test split.")] = 0,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = 32,
    accumulate: Accumulate = 1,
    class_weights: Annotated[bool, typer.Option(help="Let every label weigh the same in the loss.")] = True,
    precision: PrecisionOption = Precision.AUTO,
    seed: Annotated[int, typer.Option(help="Decides the split and the training.")] = 0,
    resume: Resume = False,
    json_: JsonOption = False,
) -> None:
    """Fine-tune a classifier and evaluate it on tweets that it never saw.

    Example: camembias train tweets.csv --out models/mine --label-column topic --base-model tiny
    """
    from camembias.bundle import MANIFEST

    with needs("train"):
        from train import finetune, table
        from train.classifier import Options
    rename, drop = _labels(_renames(rename_label or []), drop_label or [], other_label)
    columns = table.Columns(text_column, label_column, id_column, group_column)
    found = table.read(data, columns, rename, drop, encoding)
    options = Options(
        base_model=base_model,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        accumulate=accumulate,
        class_weights=class_weights,
        precision=precision.value,
        seed=seed,
        folds=folds,
        by_author="author" in found.columns,
    )
    plan = finetune.plan(found, options)
    if not json_:
        _show_table(found)
        _show_plan(plan)
        if (out_ / MANIFEST).exists():
            out.print(f"[yellow]note[/yellow]: the model in {escape(str(out_))} is replaced once this one is trained")
    with step_bar() as tell:
        bundle = finetune.train(plan, out_, tell, resume)
    _show(bundle, json_)


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a model bundle.")],
    data: Annotated[Path, typer.Argument(help="Labelled tweets that the model has not seen.")],
    text_column: Text = None,
    label_column: Label = None,
    id_column: Id = None,
    group_column: Annotated[str | None, typer.Option(help="Column of the author; guessed when not given.")] = None,
    drop_label: Annotated[list[str] | None, typer.Option(help="Leave this label out; may be repeated.")] = None,
    rename_label: Annotated[list[str] | None, typer.Option(help="old=new; may be repeated.")] = None,
    other_label: Annotated[
        str | None, typer.Option(help="Label of tweets about none of the model's: see what it does with them.")
    ] = None,
    encoding: Encoding = None,
    picture: Annotated[
        Path | None, typer.Option(callback=not_in_a_store, help="Draw the confusion matrix to this PNG.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides the resampling behind the intervals.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Scores of a model on a table of labelled tweets, with intervals, and which shortcuts that table holds.

    Example: camembias evaluate models/mine fresh.csv --label-column topic
    """
    from camembias import bundle as bundles
    from camembias import training_words
    from camembias.cli.judging import print_evaluation

    with needs("train"):
        from train import evaluate as judging
        from train import pictures, table
    bundle = bundles.load(model)
    columns = table.Columns(text_column, label_column, id_column, group_column)
    read = table.read(data, columns, _renames(rename_label or []), drop_label or [], encoding, to_train=False)
    seen = training_words.known(bundle, read.rows["tweet_id"].to_list()) if "id" in read.columns else None
    if seen and not json_:
        what = (
            f"{seen:,} of the {len(read.rows):,} tweets were in the model's training table; scores on them flatter it"
        )
        out.print(f"[yellow]note[/yellow]: {what}")
    with progress_bar("judging"):
        found = judging.judge_table(bundle, read.rows, other_label=other_label, seed=seed)
    found["in_training_table"] = seen
    if picture:
        pictures.confusion_matrix(found, picture)
    if json_:
        print_json(found)
    else:
        print_evaluation(found)


def _renames(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if pair.count("=") != 1 or pair.startswith("=") or pair.endswith("="):
            raise InputError(f"--rename-label '{pair}': write it as old=new")
    return {pair.split("=")[0]: pair.split("=")[1] for pair in pairs}


def _labels(rename: dict[str, str], drop: list[str], other: str | None) -> tuple[dict[str, str], list[str]]:
    """With --other-label, what would be dropped is renamed to it."""
    if other is None:
        return rename, drop
    if not drop:
        raise InputError(f"--other-label '{other}': say with --drop-label which labels are trained as it")
    return {**rename, **dict.fromkeys(drop, other)}, []


def _show_table(found: Labelled) -> None:
    names = [f"{role} '{name}'{' (guessed)' if role in found.guessed else ''}" for role, name in found.columns.items()]
    out.print(f"columns: {', '.join(names)}", markup=False)
    groups = found.rows["duplicate_group"].n_unique()
    out.print(f"{len(found.rows):,} tweets, {groups:,} without retweets and near-duplicates", markup=False)
    for reason, count in found.dropped.items():
        out.print(f"left out: {count:,}, {reason} ({', '.join(found.examples[reason])}…)", markup=False)


def _show_plan(plan: Plan) -> None:
    from camembias.cli.console import print_table

    apart = ", authors apart" if plan.by_author else ""
    titles = {"split": f"split{apart}", "fold": f"folds{apart}", "random_fold": "folds, authors not apart"}
    for column, title in titles.items():
        if column in plan.rows.columns:
            print_table(plan.counts(column), title)
    for reason, count in plan.left_out.items():
        out.print(f"left out of the split: {count:,}, {reason}", markup=False)
    for warning in plan.warnings():
        out.print(f"[yellow]note[/yellow]: {escape(warning)}")


def _show(bundle: Bundle, json_: bool) -> None:
    from camembias.cli.judging import print_evaluation

    manifest = bundle.manifest
    if json_:
        print_json({"model_version": bundle.model_version, "metrics": manifest.metrics, "data": manifest.data})
        return
    training = manifest.data["training"]
    out.print(f"best epoch {training['best_epoch']:g} of {training['epochs_run']} run, {training['epochs']:g} planned")
    print_evaluation(manifest.metrics)
    out.print(f"model {bundle.model_version} in {bundle.layout.root}; next: camembias export {bundle.layout.root}")
