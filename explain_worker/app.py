"""The worker: Celery's settings and the tasks. The only module that imports celery.

It knows processes and messages. What a batch is, and how it is explained, it leaves to `job`. Importing it reads
the environment, makes the app and, if asked to, turns logs to JSON, nothing more; torch is first imported in the
worker's child process, because a fork after OpenMP has started hangs. Each setting's reason is in decision 0023.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
import uuid
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.exceptions import Reject
from celery.signals import celeryd_after_setup, celeryd_init, setup_logging, worker_init, worker_process_init
from celery.utils.log import get_multiprocessing_logger

from camembias import bundle, logs, messages, store
from camembias.errors import CamembiasError, PartMissing, StoreError
from camembias.settings import Settings, no_telemetry

if TYPE_CHECKING:
    from explain_worker.job import Model

QUEUES = (messages.QUEUE_NOW, messages.QUEUE_SAMPLE)
WORKER_VARIABLE = "CAMEMBIAS_WORKER"  # set by the worker itself, as is the next: version of the model it serves
SERVED_VARIABLE = "CAMEMBIAS_WORKER_MODEL"
TAKEN_VARIABLE = "CAMEMBIAS_WORKER_QUEUES"  # likewise: the queues it takes from, first ones first
VISIBILITY_VARIABLE = "CAMEMBIAS_VISIBILITY_TIMEOUT"
# Seconds after which an unfinished batch is delivered again. A batch takes seconds; a killed worker's waits this long.
VISIBILITY_TIMEOUT = int(os.environ.get(VISIBILITY_VARIABLE, "600"))
TIME_LIMIT = VISIBILITY_TIMEOUT // 2
PAUSE_S = 3  # before a batch goes back unfinished: shorter than the soft shutdown
TRANSPORT = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "unacked_restore_interval": 5,  # seconds; with the throttle, lost messages are looked for this often
    "unacked_restore_throttle": 1,
    "queue_order_strategy": "priority",  # in the order of the queues: urgent before sampled
    "socket_keepalive": True,
}


def memory_limit_kib() -> int:
    """Resident size at which a child is replaced: 70 % of what this machine or container may use."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        pages = min(pages, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return int(pages * 0.7 / 1024)


_log = logging.getLogger(__name__)
_trouble = ""  # what failed this child when it was last used: "store" or "machine"


app = Celery("camembias", broker=Settings.from_environment().broker_url)
app.conf.update(
    task_acks_late=True,
    task_acks_on_timeout=False,  # a batch over its time is delivered again, and counts as an attempt
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_time_limit=TIME_LIMIT,
    visibility_timeout=VISIBILITY_TIMEOUT,
    broker_transport_options=TRANSPORT,
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a broker that comes back is found again, however late
    worker_prefetch_multiplier=1,
    worker_concurrency=1,
    worker_max_tasks_per_child=1000,  # about half an hour of work; a fresh child loads the model in seconds
    worker_proc_alive_timeout=300,  # the child loads the model before it reports
    worker_soft_shutdown_timeout=5,  # more than two slices; Celery always sleeps it out while one runs
    worker_cancel_long_running_tasks_on_connection_loss=False,  # it goes on, and what it stores is there already
    worker_send_task_events=False,
)


def _is_no_rejection(record: logging.LogRecord) -> bool:
    """Celery tells each request that goes back with a traceback; why it does has been told in a line."""
    return not (record.exc_info and record.exc_info[0] is Reject)


logging.getLogger("celery.app.trace").addFilter(_is_no_rejection)

if os.environ.get(logs.VARIABLE) == "1":
    logs.everything_as_json()  # warnings come before Celery asks

    @setup_logging.connect  # type: ignore[untyped-decorator, unused-ignore]
    def _log_json(**_: Any) -> None:
        """That this is connected keeps Celery from its own handlers, the one of its process pool included."""
        pool = get_multiprocessing_logger()
        pool.propagate, pool.level = True, logging.ERROR


@worker_init.connect  # type: ignore[untyped-decorator, unused-ignore]
def _check(**_: Any) -> None:
    """In the parent, before it forks: a wrong model or store ends the worker with one line.

    The store is not opened here: that may use polars, whose threads a fork does not take along.
    """
    no_telemetry(os.environ)  # the child inherits it
    settings = Settings.from_environment()
    try:
        if not (settings.store / "store.json").exists():
            raise StoreError(f"no store at '{settings.store}'; make one with: camembias classify")
        bundle.load(settings.model)
    except CamembiasError as err:
        raise SystemExit(f"Error: {err}") from None
    os.environ[WORKER_VARIABLE] = uuid.uuid4().hex  # its children inherit it


@celeryd_init.connect  # type: ignore[untyped-decorator, unused-ignore]
def _limit_memory(conf: Any, **_: Any) -> None:
    """Here, because importing reads no file, and the signals that come later find the pool built."""
    conf.worker_max_memory_per_child = memory_limit_kib()


@celeryd_after_setup.connect  # type: ignore[untyped-decorator, unused-ignore]
def _take_own_queues(instance: Any, **_: Any) -> None:
    """Of the queues chosen with -Q, take those of this worker's model; the health check before all of them."""
    try:
        manifest = bundle.read_manifest(bundle.Layout(Settings.from_environment().model))
    except CamembiasError as err:
        raise SystemExit(f"Error: {err}") from None
    os.environ[SERVED_VARIABLE] = manifest.model_version  # its children inherit it
    queues = instance.app.amqp.queues
    chosen = [name for name in queues.consume_from if name in QUEUES] or QUEUES
    taken = [messages.queue_of(name, manifest.model_version) for name in (messages.QUEUE_HEALTH, *chosen)]
    os.environ[TAKEN_VARIABLE] = ",".join(taken)
    queues.select(taken)


@worker_process_init.connect  # type: ignore[untyped-decorator, unused-ignore]
def _load(**_: Any) -> None:
    _model()


@lru_cache(maxsize=1)
def _model() -> Model:
    import torch

    from explain_worker.job import Model

    torch.set_num_threads(1)  # passes run side by side instead
    return Model.open(bundle.load(Settings.from_environment().model))


@app.task(name=messages.EXPLAIN_TASK)  # type: ignore[untyped-decorator, unused-ignore]
def _explain(body: dict[str, Any]) -> None:
    from explain_worker.broker import Before
    from explain_worker.job import explain_batch
    from explain_worker.machine import MachineError

    request = messages.ExplainRequest.from_dict(body)
    model = _served_model()
    try:
        settings = Settings.from_environment()
        before = Before(settings.broker_url, _explain.request.delivery_info.get("routing_key"), model.version)
        target = store.open_existing(settings.store)
        left = explain_batch(target, model, request, os.environ[WORKER_VARIABLE], TIME_LIMIT / 2, before.waits)
    except PartMissing:
        raise  # for good: the batch ends here
    except (StoreError, OSError) as err:
        _say_trouble("machine" if isinstance(err, MachineError) else "store", err)
        if isinstance(err, MachineError) and err.lost:
            _log.error("this worker cannot go on: it ends; start it again")
            os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(PAUSE_S)
        raise Reject(str(err), requeue=True) from None
    _say_no_trouble()
    _give_memory_back()
    if left and before.waited:
        _log.info("batch %s gives way to %s; %d tweets are left of it", request.batch, before.waited, left)
        raise Reject("it gave way", requeue=True)
    if left:
        _log.warning("batch %s goes back into the queue: not finished yet", request.batch)
        time.sleep(PAUSE_S)
        raise Reject("not finished yet", requeue=True)


def _say_trouble(what: str, err: Exception) -> None:
    """Once when it fails and once when it works again, not at every try."""
    global _trouble
    if _trouble != what:
        _log.error("the %s fails, and what is asked goes back into the queue until it works: %s", what, err)
    _trouble = what


def _say_no_trouble() -> None:
    global _trouble
    if _trouble:
        _log.warning("the %s works again", _trouble)
    _trouble = ""


def _served_model() -> Model:
    """The model whose queues the parent took.

    This child may have been started later and found another model, or half of one. Then the request goes back, and
    the worker ends in good order: started again, it takes the queues of the model that is there.
    """
    served = os.environ[SERVED_VARIABLE]
    try:
        if (found := _model()).version == served:
            return found
        why = f"the model is {found.version} now"
    except Exception as err:  # whatever it is, no request is to blame
        why = f"the model cannot be loaded ({err})"
    _log.error("%s, and this worker serves %s: it ends; start it again", why, served)
    os.kill(os.getppid(), signal.SIGTERM)
    raise Reject(why, requeue=True)


def _give_memory_back() -> None:
    """Batches differ in shape, and glibc keeps the gaps between what they left: the process would grow for hours."""
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


@app.task(name=messages.HEALTH_TASK)  # type: ignore[untyped-decorator, unused-ignore]
def _health(reply: str) -> None:
    """Answer on the broker under the key `reply`: a worker can answer pings and yet consume nothing."""
    with app.connection_for_write(transport_options=TRANSPORT) as connection:
        client = connection.default_channel.client
        client.rpush(reply, _model().version)
        client.expire(reply, 60)


def worker_argv(quiet: bool = False) -> list[str]:
    """The command that runs a worker, best with REMAP_SIGTERM=SIGQUIT in its environment for a soft shutdown.

    `quiet`: without Celery's banner.
    """
    celery = [sys.executable, "-m", "celery", *(["-q"] if quiet else []), "-A", "explain_worker.app", "worker"]
    return [*celery, "-Q", ",".join(QUEUES), "-c", "1", "--loglevel", "info", "--without-gossip", "--without-mingle"]
