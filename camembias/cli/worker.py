"""worker"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from camembias import logs
from camembias.cli.console import BrokerOption, LogJsonOption, ModelOption, StoreOption, needs, out
from camembias.settings import BROKER_VARIABLE, DEFAULT_BROKER_URL, MODEL_VARIABLE, STORE_VARIABLE


def register(app: typer.Typer) -> None:
    app.command()(worker)


def worker(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    broker_url: BrokerOption = DEFAULT_BROKER_URL,
    health: Annotated[bool, typer.Option("--health", help="Only ask whether a worker does its work, and end.")] = False,
    timeout_s: Annotated[
        int, typer.Option(min=1, max=86400, help="With --health: seconds to wait for the answer.")
    ] = 30,
    log_json: LogJsonOption = False,
) -> None:
    """Run an explanation worker until it is told to stop, or ask one whether it works.

    Example: camembias worker --model models/mine --store stores/mine
    """
    from camembias import bundle as bundles
    from camembias import store as stores

    with needs("worker"):
        from explain_worker import broker
        from explain_worker.app import worker_argv
    if health:
        version = bundles.read_manifest(bundles.Layout(model)).model_version
        out.print(f"a worker with model {broker.health(broker_url, version, timeout_s)} does its work")
        return
    bundles.load(model)
    stores.open_existing(store)
    os.environ.update(worker_environment(model, store, broker_url))
    broker.check(broker_url)
    os.environ[logs.VARIABLE] = str(int(log_json))
    logs.to(sys.stderr, log_json)
    said = f"worker for {model} on {store}; stop it with Ctrl-C"
    logs.event("worker", said, {"model": str(model), "store": str(store)})
    command = worker_argv(quiet=log_json)
    os.execv(command[0], command)


def worker_environment(model: Path, store: Path, broker_url: str) -> dict[str, str]:
    """What a worker process reads; Celery's soft shutdown listens to SIGQUIT, stop commands send SIGTERM."""
    return {
        MODEL_VARIABLE: str(model.resolve()),
        STORE_VARIABLE: str(store.resolve()),
        BROKER_VARIABLE: broker_url,
        "REMAP_SIGTERM": "SIGQUIT",
    }
