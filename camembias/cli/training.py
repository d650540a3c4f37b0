"""train · evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camembias.cli.console import JsonOption, needs, out, print_json, progress_bar
from camembias.errors import InputError

if TYPE_CHECKING:
    from camembias.bundle import Bundle

Text = Annotated[str, typer.Option("--text-column", help="Column of the tweet's text.")]
Label = Annotated[str, typer.Option("--label-column", help="Column of the label.")]


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(evaluate)


def train(
    data: Annotated[Path, typer.Argument(help="Labelled tweets: CSV, TSV, NDJSON, JSON or Parquet, plain or .gz.")],
    out_: Annotated[Path, typer.Option("--out", help="Folder of the new model bundle.")],
    base_model: Annotated[
        str, typer.Option(help="A hub name, a folder, or 'tiny' (made from scratch, no network).")
    ] = "almanach/camembert-base",
    text_column: Text = "text",
    label_column: Label = "label",
    id_column: Annotated[str | None, typer.Option(help="Column of the tweet's id; guessed when not given.")] = None,
    group_column: Annotated[str | None, typer.Option(help="Column of the author; guessed when not given.")] = None,
    drop_label: Annotated[list[str] | None, typer.Option(help="Leave this label out; may be repeated.")] = None,
    rename_label: Annotated[list[str] | None, typer.Option(help="old=new; may be repeated.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training split.")] = None,
    seed: Annotated[int, typer.Option(help="Decides the split and the training.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Fine-tune a classifier and evaluate it on tweets that it never saw.

    Example: camembias train tweets.csv --out models/mine --label-column topic --base-model tiny
    """
    with needs("train"):
        from train import finetune, progress, table
    columns = table.Columns(text_column, label_column, id_column, group_column)
    rows = table.read(data, columns, _renames(rename_label or []), drop_label or [])
    options = finetune.Options(base_model=base_model, epochs=epochs, seed=seed)
    with progress_bar("training steps") as advance:
        bundle = finetune.train(rows, out_, options, [progress.Steps(advance)])
    _show(bundle, json_, rows.dropped)


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a model bundle.")],
    data: Annotated[Path, typer.Argument(help="Labelled tweets that the model has not seen.")],
    text_column: Text = "text",
    label_column: Label = "label",
    drop_label: Annotated[list[str] | None, typer.Option(help="Leave this label out; may be repeated.")] = None,
    rename_label: Annotated[list[str] | None, typer.Option(help="old=new; may be repeated.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the confusion matrix to this PNG.")] = None,
    json_: JsonOption = False,
) -> None:
    """Confusion matrix, accuracy, precision, recall and F1 of a model on a table of labelled tweets.

    Example: camembias evaluate models/mine fresh.csv --label-column topic
    """
    from camembias import bundle as bundles

    with needs("train"):
        from train import evaluate as judging
        from train import table
    bundle = bundles.load(model)
    columns = table.Columns(text_column, label_column)
    rows = table.read(data, columns, _renames(rename_label or []), drop_label or []).rows
    found = judging.judge(bundle, rows)
    if picture:
        judging.draw_confusion_matrix(found, picture)
    if json_:
        print_json(found)
    else:
        _print_metrics(found)


def _renames(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if pair.count("=") != 1 or pair.startswith("=") or pair.endswith("="):
            raise InputError(f"--rename-label '{pair}': write it as old=new")
    return {pair.split("=")[0]: pair.split("=")[1] for pair in pairs}


def _show(bundle: Bundle, json_: bool, dropped: dict[str, int]) -> None:
    if json_:
        print_json({"model_version": bundle.model_version, "metrics": bundle.manifest.metrics, "dropped": dropped})
        return
    data = bundle.manifest.data
    out.print(f"{data['tweets']} tweets in {data['duplicate_groups']} duplicate groups; left out: {dropped or 'none'}")
    _print_metrics(bundle.manifest.metrics)
    out.print(f"model {bundle.model_version} in {bundle.layout.root}; next: camembias export {bundle.layout.root}")


def _print_metrics(found: dict[str, Any]) -> None:
    import polars as pl

    from camembias.cli.console import print_table

    out.print(
        f"on {found['tweets']} tweets: accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f} "
        f"(always the largest label: {found['majority_share']:.3f})"
    )
    print_table(pl.DataFrame([{"label": name, **row} for name, row in found["per_label"].items()]))
    rows = zip(found["labels"], found["confusion_matrix"], strict=True)
    matrix = [{"truth ↓ predicted →": name, **dict(zip(found["labels"], row, strict=True))} for name, row in rows]
    print_table(pl.DataFrame(matrix), "confusion matrix")
