"""export"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from camembias.cli.console import JsonOption, needs, out, print_json, progress_bar


def register(app: typer.Typer) -> None:
    app.command()(export)


def export(
    model: Annotated[Path, typer.Argument(help="Folder of a model bundle.")],
    texts: Annotated[
        Path | None, typer.Option(help="Tweets like those to be classified; filled up with invented ones.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column of the tweet's text.")] = "text",
    label_column: Annotated[
        str | None, typer.Option(help="Column of the label in --texts, to measure the loss of macro-F1 on.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Make the fp32 and int8 ONNX graphs, measure how far they are from PyTorch, and keep int8 only if it is close.

    Example: camembias export models/mine --texts tweets.csv
    """
    with needs("export"):
        from export.job import export as run

    sample, truth = _read(texts, text_column, label_column)
    bundle = run(model, sample, truth, progress_bar)
    parity: dict[str, Any] = bundle.manifest.parity or {}
    if json_:
        print_json({"serving_version": bundle.serving_version, "parity": parity})
        return
    made = ["fp32", "int8"] if "texts" in parity["int8"] else ["fp32"]  # no int8 graph where none could be made
    for name, row in ((name, parity[name]) for name in made):
        out.print(
            f"{name}: {row['flips']} of {row['texts']} labels differ from PyTorch, "
            f"max |Δlogit| {row['max_abs_logit']:.2g}, p99 {row['p99_abs_logit']:.2g}"
        )
    out.print(parity["sentence"])
    if parity["int8"]["served"]:
        out.print(
            f"bound: a margin under {bundle.manifest.rescore_margin} logits, {parity['rescored_share']:.1%} of these "
            f"texts; labels and abstentions that then differ from fp32: {parity['stored_differ']}, "
            f"of texts that the bound was not measured on: {parity['held_out_differ']}"
        )
    out.print(f"serving version {bundle.serving_version}; next: camembias classify {model} TWEETS --store stores/mine")


def _read(path: Path | None, text_column: str, label_column: str | None) -> tuple[list[str], list[str] | None]:
    """Texts, and their labels where a column of them is named."""
    from export.texts import PARITY_TEXTS

    if path is None:
        return [], None
    if label_column is not None:
        with needs("train"):
            from train import table
        rows = table.read(path, table.Columns(text_column, label_column)).rows.head(PARITY_TEXTS)
        return rows["text"].to_list(), rows["label"].to_list()
    from batch.readers import chunks
    from batch.sources import Source

    tweets = (tweet for chunk in chunks(Source(path, text_column)) for tweet in chunk.tweets)
    return [tweet.text for tweet in islice(tweets, PARITY_TEXTS)], None
