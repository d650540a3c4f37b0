"""classify"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from camembias.cli.console import JsonOption, StoreOption, needs, out, print_json, progress_bar


def register(app: typer.Typer) -> None:
    app.command()(classify)


def classify(
    model: Annotated[Path, typer.Argument(help="Folder of an exported model bundle.")],
    inputs: Annotated[list[Path], typer.Argument(help="Files or folders: CSV, TSV, NDJSON, Parquet; .gz too.")],
    store: StoreOption = Path("stores/default"),
    text_column: Annotated[str, typer.Option(help="Column of the tweet's text.")] = "text",
    id_column: Annotated[str | None, typer.Option(help="Column of the tweet's id; guessed when not given.")] = None,
    keep_authors: Annotated[bool, typer.Option("--keep-authors", help="Store author names, not hashes.")] = False,
    json_: JsonOption = False,
) -> None:
    """Classify tweets in bulk into a store. Run it again to resume: what is done is skipped.

    Example: camembias classify models/mine tweets.csv.gz --store stores/mine
    """
    with needs("batch"):
        from batch import classify as stage
        from batch.readers import Source
    from camembias import bundle as bundles
    from camembias import catalog, concepts
    from camembias import store as stores

    bundle = bundles.load(model)
    classifier = stage.Classifier.open(bundle)
    sources = [Source(path, text_column, id_column) for path in stage.expand(inputs)]
    stage.check(sources)
    target = stores.create(store)
    target.register_model(bundle)
    concepts.ensure(target)
    catalog.refresh(target)  # views over parts: from here on, readers see every part as it lands
    arguments = {"model": str(model), "inputs": [str(path) for path in inputs]}
    began = time.monotonic()
    with stores.running(target, "classify", arguments) as run, progress_bar("tweets") as advance:
        counts = stage.classify(classifier, sources, target, run, advance, keep_authors)
    seconds = time.monotonic() - began
    rate = counts["classified"] / seconds if seconds else 0.0
    if json_:
        print_json({**counts, "seconds": round(seconds, 2), "tweets_per_second": round(rate, 1)})
        return
    out.print(
        f"{counts['rows']:,} rows read: {counts['classified']:,} classified ({rate:,.0f} tweets/s, "
        f"{counts['rescored']:,} texts scored again in fp32), {counts['rejects']:,} rejected, "
        f"{counts['skipped']:,} skipped because done before\nstore {store}; next: camembias query --store {store}"
    )
