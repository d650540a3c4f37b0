"""The broker, beside what Celery does with it: sending requests, what lies in the queues, whether a worker works, and
for a worker that has a batch in hand, whether somebody waits who comes before it.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import AuthenticationError

from camembias import messages
from camembias.errors import BrokerError
from explain_worker.app import QUEUES, TAKEN_VARIABLE, TRANSPORT, app

CONNECT_TIMEOUT = 1  # seconds a try; redis-py tries several times
ASKED_AGAIN_S = 10  # after a look at the queues that failed: a broker that is away must not hold the work up


def _connect(broker_url: str) -> Connection:
    options = {**TRANSPORT, "socket_connect_timeout": CONNECT_TIMEOUT}
    try:
        connection = Connection(broker_url, transport_options=options, connect_timeout=CONNECT_TIMEOUT)
    except (KeyError, ValueError) as err:  # of a transport that is not there, or of a port
        where = re.sub(r"(?<=//).*@", "**@", broker_url)
        # what the error says may be a piece of the password
        why = "write / # ? of the password as %2F %23 %3F" if where != broker_url else err
        raise BrokerError(
            f"'{where}' is no address of a queue ({why}); write redis://HOST:6379/0 into CAMEMBIAS_BROKER_URL"
        ) from None
    try:
        connection.default_channel.client.ping()
    except Exception as err:  # every transport has errors of its own
        connection.release()
        where = connection.as_uri()  # without the password
        if isinstance(err.__cause__, AuthenticationError):
            raise BrokerError(
                f"the queue at '{where}' refuses the password; put it into CAMEMBIAS_BROKER_URL: redis://:PASSWORD@HOST"
            ) from err
        raise BrokerError(
            f"no answer from the queue at '{where}' ({err}); start one, or set CAMEMBIAS_BROKER_URL"
        ) from err
    return connection


def check(broker_url: str) -> None:
    """Raises BrokerError when nothing answers: a worker would retry for ever."""
    _connect(broker_url).release()


def send(broker_url: str, requests: Sequence[messages.ExplainRequest], queue: str) -> None:
    """Queue batches. Raises BrokerError within five seconds when the broker cannot be reached, or goes away."""
    with _connect(broker_url) as connection:
        for number, request in enumerate(requests):
            try:
                _send(connection, messages.EXPLAIN_TASK, request.to_dict(), queue, request.model_version, request.batch)
            except BrokerError as err:
                raise BrokerError(
                    f"{err}; {number} of {len(requests)} batches are queued, all are kept in the store: "
                    "queue the rest with camembias explain --resume"
                ) from err


def _send(
    connection: Connection, task: str, argument: Any, queue: str, model_version: str, name: str, **extra: Any
) -> None:
    where = messages.queue_of(queue, model_version)
    try:
        app.send_task(task, args=[argument], task_id=name, queue=where, connection=connection, retry=False, **extra)
    except (OperationalError, *connection.connection_errors, *connection.channel_errors) as err:
        raise BrokerError(f"the queue refused a message ({err}); is it full, read-only or gone?") from err


def queued(broker_url: str, model_version: str) -> set[str]:
    """Names of this model's batches that lie in a queue; those that a worker has taken are not among them."""
    with _connect(broker_url) as connection:
        client = connection.default_channel.client
        try:
            raw = [line for name in QUEUES for line in client.lrange(messages.queue_of(name, model_version), 0, -1)]
        except connection.connection_errors as err:
            raise BrokerError(f"the queue went away ({err})") from err
    return {str(json.loads(line)["headers"]["id"]) for line in raw}


def health(broker_url: str, model_version: str, timeout: int = 30) -> str:
    """The model version of a worker that really works off its queue. Raises BrokerError when none answers in time."""
    reply = f"camembias.health.{uuid.uuid4().hex}"
    with _connect(broker_url) as connection:
        _send(connection, messages.HEALTH_TASK, reply, messages.QUEUE_HEALTH, model_version, reply, expires=timeout)
        try:
            answer = connection.default_channel.client.blpop(reply, timeout=timeout)
        except connection.connection_errors as err:
            raise BrokerError(f"the queue went away while a worker was asked ({err})") from err
    if answer is None:
        raise BrokerError(
            f"no worker with model {model_version} answered within {timeout} s; start one with: camembias worker"
        )
    return str(answer[1].decode())


class Before:
    """Who comes before a batch from the queue `own`: what lies in the queues that this worker takes from first.

    A broker that does not answer has nobody who waits: the work goes on.
    """

    def __init__(self, broker_url: str, own: str | None, model_version: str) -> None:
        taken = os.environ.get(TAKEN_VARIABLE, "").split(",")
        self._queues = taken[: taken.index(own)] if own in taken else []
        self._urgent = [name for name in self._queues if name == messages.queue_of(messages.QUEUE_NOW, model_version)]
        self._url, self._not_before = broker_url, 0.0
        self.waited = ""  # the queue of who waited

    def waits(self, within: bool) -> bool:
        """Whether somebody waits. `within` a slice only urgent requests count, because it is then done again.

        A health check has time: it can wait for a slice, and would else keep one from ending that takes minutes.
        """
        names = self._urgent if within else self._queues
        if not names or time.monotonic() < self._not_before:
            return False
        try:
            client = _looking(self._url).default_channel.client
            self.waited = next((name for name in names if client.llen(name)), "")
        except Exception:  # every transport has errors of its own
            _looking.cache_clear()
            self._not_before = time.monotonic() + ASKED_AGAIN_S
        return bool(self.waited)


@lru_cache(maxsize=1)
def _looking(broker_url: str) -> Connection:
    """One connection for all looks of this process."""
    options = {**TRANSPORT, "socket_connect_timeout": CONNECT_TIMEOUT, "socket_timeout": CONNECT_TIMEOUT}
    return Connection(broker_url, transport_options=options, connect_timeout=CONNECT_TIMEOUT)
