"""schedule: the jobs of every night, without cron."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from camembias import locks, logs
from camembias.cli.console import LogJsonOption, ModelOption, StoreOption
from camembias.errors import StoreBusy, StoreError
from camembias.files import make_folder
from camembias.schedule import Job, Past, chosen, due, exit_code
from camembias.store import Store, now, open_existing, outside, running
from camembias.text import printable

_POLL_S = 5.0
_GRACE_S = 20.0  # for a job to end in good order; a container is given 30
_CAMEMBIAS = (sys.executable, "-c", "from camembias.cli import main; main()")


def register(app: typer.Typer) -> None:
    app.command()(schedule)


def schedule(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    reports: Annotated[Path, typer.Option(help="Folder of the report, as index.html.")] = Path("report"),
    snapshots: Annotated[Path, typer.Option(help="Folder of the nightly snapshot.")] = Path("snapshots"),
    sample: Annotated[int, typer.Option(help="Tweets to explain a night, stratified.")] = 200,
    once: Annotated[bool, typer.Option("--once", help="Run what is due now, and end: for cron.")] = False,
    log_json: LogJsonOption = False,
) -> None:
    """Sample, refresh, compact, snapshot and report, each at its time; what was missed is caught up.

    Exit codes of --once: 0 done, 1 a job failed, 75 it only met a full disk or a lock: it may work later.

    When: CAMEMBIAS_SCHEDULE_SAMPLE, _REFRESH, _COMPACT, _SNAPSHOT, _REPORT: an interval (15m), a time (02:00) or off.

    Example: camembias schedule --model models/mine --store stores/mine --once
    """
    logs.to(sys.stdout, log_json)
    jobs = chosen(_jobs(model, store, reports, snapshots, sample), os.environ)
    if once:
        open_existing(store)  # where there is none, no folder is made either
    for folder in (reports, snapshots):
        outside(folder / "x")
        make_folder(folder)
    told = ""
    while True:
        try:
            with _alone(store) as target:
                codes = [_run(target, job) for job in due(jobs, _past(target), now().astimezone())]
        except StoreError as err:
            if once:
                raise
            if str(err) != told:  # once, not at every look
                logs.event("waiting", f"waiting: {err}", {}, logging.WARNING)
            told = str(err)
        if once:
            raise typer.Exit(exit_code(codes))
        time.sleep(_POLL_S)


def _jobs(
    model: Path, store: Path, reports: Path, snapshots: Path, sample: int
) -> dict[str, tuple[str, tuple[str, ...]]]:
    here = ("--store", str(store))
    asked = ("explain", "--model", str(model), *here, "--sample", str(sample), "--strategy", "stratified")
    return {
        "sample": ("02:00", asked),
        "compact": ("03:00", ("compact", *here)),
        "refresh": ("15m", ("refresh", *here)),
        "snapshot": ("04:00", ("snapshot", str(snapshots / "latest.duckdb"), *here)),
        "report": ("15m", ("report", *here, "--out", str(reports / "index.html"))),
    }


@contextmanager
def _alone(store: Path) -> Iterator[Store]:
    """The store, while no other scheduler works on it: none starts a job that is still running."""
    target = open_existing(store)
    with locks.opened(target.root / "schedule.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            raise StoreBusy(f"another scheduler is at work on '{store}'; let it end") from err
        yield target


def _past(store: Store) -> dict[str, Past]:
    """The last run of each kind."""
    with store.shared():
        rows = store.scan("runs").filter(pl.col("kind").str.starts_with("schedule ")).sort("started_at").collect()
    return {row["kind"]: Past(row["started_at"], row["status"] == "done") for row in rows.iter_rows(named=True)}


def _run(store: Store, job: Job) -> int:
    """One job in a process of its own, so that none leaves memory or threads behind; written down in `runs`.

    Returns its exit code.
    """
    began = time.monotonic()
    with running(store, job.kind, {"command": list(job.command)}) as run:
        done = _ended(job.command)
        well = done.returncode == 0
        run.counts["exit_code"], run.status = done.returncode, "done" if well else "failed"
    seconds, said = time.monotonic() - began, (done.stdout if well else done.stderr).strip().splitlines()
    message = f"{job.name}: {run.status} in {seconds:.1f} s{f': {said[-1]}' if said else ''}"
    level = logging.INFO if well else logging.ERROR
    fields = {"job": job.name, "status": run.status, "seconds": round(seconds, 1), "exit_code": done.returncode}
    logs.event("scheduled job", printable(message), fields, level)
    return done.returncode


def _ended(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """The job, once it has ended. If we are told to end before it has, so is the job, and given time to do it."""
    with subprocess.Popen([*_CAMEMBIAS, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        try:
            said, errors = job.communicate()
        except BaseException:
            job.terminate()
            try:
                with suppress(subprocess.TimeoutExpired):
                    job.communicate(timeout=_GRACE_S)
            finally:
                job.kill()  # nothing is done to a job that has ended
            raise
    return subprocess.CompletedProcess(job.args, job.returncode, said, errors)
