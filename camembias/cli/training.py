"""train · evaluate · export"""

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
PARITY_TEXTS = 2000


def register(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(evaluate)
    app.command()(export)


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
    id_column: Annotated[str | None, typer.Option(help="Column of the tweet's id; guessed when not given.")] = None,
    group_column: Annotated[str | None, typer.Option(help="Column of the author; guessed when not given.")] = None,
    drop_label: Annotated[list[str] | None, typer.Option(help="Leave this label out; may be repeated.")] = None,
    rename_label: Annotated[list[str] | None, typer.Option(help="old=new; may be repeated.")] = None,
    other_label: Annotated[
        str | None, typer.Option(help="Label of tweets about none of the model's: see what it does with them.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the confusion matrix to this PNG.")] = None,
    seed: Annotated[int, typer.Option(help="Decides the resampling behind the intervals.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Scores of a model on a table of labelled tweets, with intervals, and which shortcuts that table holds.

    Example: camembias evaluate models/mine fresh.csv --label-column topic
    """
    from camembias import bundle as bundles
    from camembias.cli.judging import print_evaluation

    with needs("train"):
        from train import evaluate as judging
        from train import pictures, table
    bundle = bundles.load(model)
    columns = table.Columns(text_column, label_column, id_column, group_column)
    rows = table.read(data, columns, _renames(rename_label or []), drop_label or []).rows
    with progress_bar("judging"):
        found = judging.judge_table(bundle, rows, other_label=other_label, seed=seed)
    if picture:
        pictures.confusion_matrix(found, picture)
    if json_:
        print_json(found)
    else:
        print_evaluation(found)


def export(
    model: Annotated[Path, typer.Argument(help="Folder of a model bundle.")],
    texts: Annotated[
        Path | None, typer.Option(help="Tweets to measure parity on; invented ones are used when not given.")
    ] = None,
    text_column: Text = "text",
    json_: JsonOption = False,
) -> None:
    """Make the fp32 and int8 ONNX graphs and measure how far they are from PyTorch.

    Example: camembias export models/mine
    """
    with needs("export"):
        from export.job import export as run
    from camembias import synthetic

    if texts is None:
        sample = synthetic.tweets(PARITY_TEXTS, seed=900)["text"].to_list()
    else:
        from itertools import islice

        from batch.readers import Source, chunks

        tweets = (tweet for chunk in chunks(Source(texts, text_column)) for tweet in chunk.tweets)
        sample = [tweet.text for tweet in islice(tweets, PARITY_TEXTS)]
    bundle = run(model, sample)
    if json_:
        print_json({"serving_version": bundle.serving_version, "parity": bundle.manifest.parity})
        return
    parity: dict[str, Any] = bundle.manifest.parity or {}
    for name in ("fp32", "int8"):
        row = parity[name]
        out.print(
            f"{name}: {row['flips']} of {row['texts']} labels differ from PyTorch, "
            f"max |Δlogit| {row['max_abs_logit']:.2g}, p99 {row['p99_abs_logit']:.2g}"
        )
    out.print(
        f"int8 labels with a margin under {bundle.manifest.rescore_margin:.3f} logits are scored again in fp32: "
        f"{parity['rescored_share']:.1%} here\nserving version {bundle.serving_version}"
    )


def _renames(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if pair.count("=") != 1 or pair.startswith("=") or pair.endswith("="):
            raise InputError(f"--rename-label '{pair}': write it as old=new")
    return {pair.split("=")[0]: pair.split("=")[1] for pair in pairs}


def _show(bundle: Bundle, json_: bool, dropped: dict[str, int]) -> None:
    from camembias.cli.judging import print_evaluation

    if json_:
        print_json({"model_version": bundle.model_version, "metrics": bundle.manifest.metrics, "dropped": dropped})
        return
    data = bundle.manifest.data
    out.print(f"{data['tweets']} tweets in {data['duplicate_groups']} duplicate groups; left out: {dropped or 'none'}")
    print_evaluation(bundle.manifest.metrics)
    out.print(f"model {bundle.model_version} in {bundle.layout.root}; next: camembias export {bundle.layout.root}")
