"""Waiting for explanations, and queueing again what the queue lost: a broker that was emptied or a worker that died."""

from __future__ import annotations

import time
from collections.abc import Collection

from camembias import attempts, messages, progress, requests
from camembias.bundle import Bundle
from camembias.cli.console import errors, needs, progress_bar
from camembias.errors import BrokerError
from camembias.progress import Counts
from camembias.store import Store

POLL_S = 0.2
QUIET_S = 30  # without news, the queue is looked at; longer than a worker takes to load its model


def send(store: Store, bundle: Bundle, broker_url: str, batches: Collection[str]) -> None:
    """Queue these batches, urgent ones where they are taken first."""
    with needs("worker"):
        from explain_worker import broker
    urgent = {batch for batch in batches if requests.is_urgent(store, batch)}
    for queue, names in ((messages.QUEUE_NOW, urgent), (messages.QUEUE_SAMPLE, set(batches) - urgent)):
        if names:
            sent = [messages.ExplainRequest(batch, bundle.model_version) for batch in sorted(names)]
            broker.send(broker_url, sent, queue)


def send_lost(store: Store, bundle: Bundle, broker_url: str, batches: Collection[str]) -> list[str]:
    """Queue those that neither lie in a queue nor are being worked on, and return their names."""
    with needs("worker"):
        from explain_worker import broker
    try:
        there = broker.queued(broker_url, bundle.model_version)
    except BrokerError as err:
        if not batches:
            raise
        raise BrokerError(f"{err}; what was asked is kept: queue it then with camembias explain --resume") from err
    lost = [batch for batch in batches if batch not in there and not attempts.is_running(store, batch)]
    send(store, bundle, broker_url, lost)
    return lost


def wait_for(store: Store, bundle: Bundle, broker_url: str, batches: Collection[str], timeout_s: float) -> Counts:
    """Until every batch is explained or failed, whatever happens to the queue meanwhile.

    Raises BrokerError after `timeout_s` in which nothing was explained and nothing was being worked on.
    """
    if not batches:
        return Counts()
    left, finished, away = list(batches), Counts(), False
    seen = sum((counts for counts, _ in progress.of_batches(store, left).values()), Counts())
    news = looked = time.monotonic()
    with progress_bar("explaining", progress.tweets_of(store, batches), "tweets", seen.done) as advance:
        while left:
            states = progress.of_batches(store, left)
            finished = sum((counts for counts, done in states.values() if done), finished)
            left = [batch for batch, (_, done) in states.items() if not done]
            now = sum((counts for counts, done in states.values() if not done), finished)
            if now != seen:
                advance(now.done - seen.done)
                seen, news = now, time.monotonic()
            elif time.monotonic() - max(news, looked) > min(QUIET_S, timeout_s):
                looked = time.monotonic()
                if any(attempts.is_running(store, batch) for batch in left):
                    news = looked
                away = _look_after(store, bundle, broker_url, left, away)
                if looked - news > timeout_s:
                    raise BrokerError(
                        f"no explanation for {timeout_s:.0f} s; is a worker running with this model and store? "
                        "Start one: camembias worker; then: camembias explain --resume --wait"
                    )
            if left:
                time.sleep(POLL_S)
    return finished


def _look_after(store: Store, bundle: Bundle, broker_url: str, left: Collection[str], away: bool) -> bool:
    """Queue again what was lost; whether the broker is away, said once."""
    try:
        lost = send_lost(store, bundle, broker_url, left)
    except BrokerError as err:
        if not away:
            errors.print(f"{err}; waiting for it to come back", markup=False, soft_wrap=True)
        return True
    if lost:
        errors.print(f"{len(lost)} batches are neither in the queue nor worked on: queued again", markup=False)
    return False
