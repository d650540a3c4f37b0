"""explain · worker"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camembias.cli.console import (
    JsonOption,
    ModelOption,
    StoreOption,
    errors,
    needs,
    out,
    print_json,
    progress_bar,
)
from camembias.errors import InputError
from camembias.settings import BROKER_VARIABLE, DEFAULT_BROKER_URL, MODEL_VARIABLE, STORE_VARIABLE

if TYPE_CHECKING:
    from camembias.sampling import Asked
    from camembias.store import Store

POLL_S = 0.5
BrokerOption = Annotated[str, typer.Option("--broker-url", envvar=BROKER_VARIABLE, help="Redis or Valkey address.")]


def register(app: typer.Typer) -> None:
    app.command()(explain)
    app.command()(worker)


def explain(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    tweet: Annotated[list[str] | None, typer.Option("--tweet", help="Id of a classified tweet; may repeat.")] = None,
    sample: Annotated[int | None, typer.Option(help="Expected size of a uniform sample.")] = None,
    text: Annotated[str | None, typer.Option(help="Any text.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Queue again what was asked and never explained.")] = False,
    target: Annotated[str, typer.Option(help="'all' labels, or the name of one.")] = "all",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all is explained.")] = False,
    timeout_s: Annotated[float, typer.Option(help="With --wait: give up after so many seconds without news.")] = 300,
    broker_url: BrokerOption = DEFAULT_BROKER_URL,
    json_: JsonOption = False,
) -> None:
    """Queue explanations for a worker: a sample, tweets by id, or a text.

    Example: camembias explain --model models/mine --store stores/mine --sample 500 --wait
    """
    from camembias import bundle as bundles
    from camembias import catalog, messages, sampling
    from camembias import store as stores

    if sum(value is not None for value in (tweet, sample, text)) + resume != 1:
        raise InputError("say what to explain: exactly one of --sample N, --tweet ID, --text TEXT, --resume")
    with needs("worker"):
        from explain_worker.app import send
    bundle = bundles.load(model)
    target_store = stores.open_existing(store)
    targets = list(bundle.labels.names) if target == "all" else [bundle.labels.names[bundle.labels.id(target)]]
    if sample is not None:
        asked = sampling.ask_sample(target_store, bundle, sample, targets)
    elif tweet is not None:
        asked = sampling.ask_tweets(target_store, bundle, tweet, targets)
    elif text is not None:
        asked = sampling.ask_text(target_store, bundle, text, targets)
    else:
        asked = sampling.ask_again(target_store, bundle)
    queue = messages.QUEUE_SAMPLE if sample is not None else messages.QUEUE_NOW
    for batch in asked.batches:
        send(broker_url, messages.ExplainRequest(batch, bundle.model_version), queue)
    if not json_:
        out.print(f"{asked.tweets} tweets asked ({asked.explanations} explanations) in {len(asked.batches)} batches")
    began = time.monotonic()
    if wait:
        wait_for(target_store, asked, timeout_s)
        catalog.refresh(target_store)
    seconds = time.monotonic() - began
    counts = sampling.outcome(target_store, asked.batches) if wait else {}
    if json_:
        print_json({"tweets": asked.tweets, "batches": len(asked.batches), **counts, "seconds": round(seconds, 2)})
    elif wait:
        rate = counts["explained"] / seconds if seconds else 0.0
        out.print(
            f"{counts['explained']} explanations in {seconds:.1f} s ({rate:.1f}/s), {counts['unconverged']} of them "
            f"fail completeness, {counts['failed']} tweets failed\nnext: camembias query word_label --store {store}"
        )


def wait_for(store: Store, asked: Asked, timeout_s: float) -> None:
    """Until every batch is explained or failed. Raises BrokerError after `timeout_s` without any news."""
    from camembias import sampling
    from camembias.errors import BrokerError

    seen, news = 0, time.monotonic()
    with progress_bar("explanations", asked.explanations) as advance:
        while sampling.open_batches(store, asked.batches):
            counts = sampling.outcome(store, asked.batches)
            found = counts["explained"] + counts["failed"]
            if found != seen:
                advance(found - seen)
                seen, news = found, time.monotonic()
            elif time.monotonic() - news > timeout_s:
                raise BrokerError(
                    f"no explanation for {timeout_s:.0f} s; is a worker running with this model and store? "
                    "Start one: camembias worker; then: camembias explain --resume --wait"
                )
            time.sleep(POLL_S)


def worker(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    broker_url: BrokerOption = DEFAULT_BROKER_URL,
) -> None:
    """Run an explanation worker until it is told to stop.

    Example: camembias worker --model models/mine --store stores/mine
    """
    from camembias import bundle as bundles
    from camembias import store as stores

    bundles.load(model)
    stores.open_existing(store)
    os.environ.update(worker_environment(model, store, broker_url))
    with needs("worker"):
        from explain_worker.app import check_broker, worker_argv
    check_broker(broker_url)
    errors.print(f"worker for {model} on {store}; stop it with Ctrl-C", markup=False)
    command = worker_argv()
    os.execv(command[0], command)


def worker_environment(model: Path, store: Path, broker_url: str) -> dict[str, str]:
    """What a worker process reads; Celery's soft shutdown listens to SIGQUIT, stop commands send SIGTERM."""
    return {
        MODEL_VARIABLE: str(model.resolve()),
        STORE_VARIABLE: str(store.resolve()),
        BROKER_VARIABLE: broker_url,
        "REMAP_SIGTERM": "SIGQUIT",
    }
