"""The queue: Celery's settings, the tasks, and how a request gets in. The only module that imports celery.

It knows processes and messages. What a batch is, and how it is explained, it leaves to `job`. Importing it reads
the environment and makes the app, nothing more; torch is first imported in the worker's child process, because a
fork after OpenMP has started hangs.
"""

from __future__ import annotations

import os
import sys
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import worker_init, worker_process_init
from kombu import Connection, Queue
from kombu.exceptions import OperationalError

from camembias import bundle, messages, store
from camembias.errors import BrokerError, CamembiasError
from camembias.settings import Settings, cpu_count

if TYPE_CHECKING:
    from explain_worker.job import Model

VISIBILITY_VARIABLE = "CAMEMBIAS_VISIBILITY_TIMEOUT"
# Seconds after which an unfinished batch is delivered again. A batch takes seconds; a killed worker's waits this long.
VISIBILITY_TIMEOUT = int(os.environ.get(VISIBILITY_VARIABLE, "600"))
CONNECT_TIMEOUT = 1  # seconds a try; redis-py tries several times
TRANSPORT = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "unacked_restore_interval": 5,  # seconds; with the throttle, lost messages are looked for this often
    "unacked_restore_throttle": 1,
    "queue_order_strategy": "priority",  # in the order of -Q: urgent before sampled
    "socket_keepalive": True,
}

app = Celery("camembias", broker=Settings.from_environment().broker_url)
app.conf.update(
    task_queues=[Queue(messages.QUEUE_NOW), Queue(messages.QUEUE_SAMPLE)],
    task_default_queue=messages.QUEUE_SAMPLE,
    task_acks_late=True,
    task_acks_on_timeout=False,  # a batch over its time is delivered again, and counts as an attempt
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_time_limit=VISIBILITY_TIMEOUT // 2,
    task_soft_time_limit=VISIBILITY_TIMEOUT // 3,
    visibility_timeout=VISIBILITY_TIMEOUT,
    broker_transport_options=TRANSPORT,
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT},
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    worker_concurrency=1,
    worker_proc_alive_timeout=300,  # the child loads the model before it reports
    worker_soft_shutdown_timeout=30,
    worker_send_task_events=False,
)


@worker_init.connect  # type: ignore[untyped-decorator, unused-ignore]
def _check(**_: Any) -> None:
    """In the parent, before it forks: a wrong model or store ends the worker with one line."""
    settings = Settings.from_environment()
    try:
        store.open_existing(settings.store)
        bundle.load(settings.model)
    except CamembiasError as err:
        raise SystemExit(f"Error: {err}") from None


@worker_process_init.connect  # type: ignore[untyped-decorator, unused-ignore]
def _load(**_: Any) -> None:
    _model()


@lru_cache(maxsize=1)
def _model() -> Model:
    import torch

    from explain_worker.job import Model

    torch.set_num_threads(cpu_count())
    return Model.open(bundle.load(Settings.from_environment().model))


@app.task(name=messages.EXPLAIN_TASK)  # type: ignore[untyped-decorator, unused-ignore]
def _explain(body: dict[str, Any]) -> None:
    from explain_worker.job import explain_batch

    request = messages.ExplainRequest.from_dict(body)
    explain_batch(store.open_existing(Settings.from_environment().store), _model(), request)


@app.task(name=messages.HEALTH_TASK)  # type: ignore[untyped-decorator, unused-ignore]
def _health(reply: str) -> None:
    """Answer on the broker under the key `reply`: a worker can answer pings and yet consume nothing."""
    with app.connection_for_write(transport_options=TRANSPORT) as connection:
        client = connection.default_channel.client
        client.rpush(reply, _model().version)
        client.expire(reply, 60)


def _connect(broker_url: str) -> Connection:
    options = {**TRANSPORT, "socket_connect_timeout": CONNECT_TIMEOUT}
    connection = Connection(broker_url, transport_options=options, connect_timeout=CONNECT_TIMEOUT)
    try:
        connection.default_channel.client.ping()
    except Exception as err:  # every transport has errors of its own
        connection.release()
        where = connection.as_uri()  # without the password
        raise BrokerError(
            f"no answer from the queue at '{where}' ({err}); start one, or set CAMEMBIAS_BROKER_URL"
        ) from err
    return connection


def check_broker(broker_url: str) -> None:
    """Raises BrokerError when nothing answers: a worker would retry for ever."""
    _connect(broker_url).release()


def send(broker_url: str, request: messages.ExplainRequest, queue: str) -> None:
    """Queue one batch. Raises BrokerError within five seconds when the broker cannot be reached."""
    _send(broker_url, messages.EXPLAIN_TASK, request.to_dict(), queue)


def _send(broker_url: str, task: str, argument: Any, queue: str) -> None:
    with _connect(broker_url) as connection:
        try:
            app.send_task(task, args=[argument], queue=queue, connection=connection, retry=False)
        except OperationalError as err:
            raise BrokerError(f"the queue refused a message ({err}); is it full or read-only?") from err


def health(broker_url: str, timeout: int = 30) -> str:
    """The model version of a worker that really works off its queue. Raises BrokerError when none answers in time."""
    reply = f"camembias.health.{uuid.uuid4().hex}"
    _send(broker_url, messages.HEALTH_TASK, reply, messages.QUEUE_NOW)
    with _connect(broker_url) as connection:
        answer = connection.default_channel.client.blpop(reply, timeout=timeout)
    if answer is None:
        raise BrokerError(f"no worker answered within {timeout} s; start one with: camembias worker")
    return str(answer[1].decode())


def worker_argv() -> list[str]:
    """The command that runs a worker, best with REMAP_SIGTERM=SIGQUIT in its environment for a soft shutdown."""
    queues = f"{messages.QUEUE_NOW},{messages.QUEUE_SAMPLE}"
    celery = [sys.executable, "-m", "celery", "-A", "explain_worker.app", "worker"]
    return [*celery, "-Q", queues, "-c", "1", "--loglevel", "info", "--without-gossip", "--without-mingle"]
