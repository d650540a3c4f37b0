"""When jobs are due: laws of times, without a clock. What a scheduler then does runs in the last tests, for real."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from camembias import catalog
from camembias import store as stores
from camembias.errors import InputError
from camembias.schedule import RETRY, Job, Past, When, chosen, due, exit_code

NIGHT = When.parse("02:00")
CODE = (sys.executable, "-c", "from camembias.cli import main; main()")
moments = st.datetimes(datetime(2024, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))


def job(when: str, name: str = "a") -> Job:
    parsed = When.parse(when)
    assert parsed is not None
    return Job(name, parsed, ("refresh",))


@pytest.mark.parametrize("text", ["", "2", "25:00", "2:00", "0m", "1w", "02:60", "-5m", "on"])
def test_what_is_no_schedule_is_named(text):
    with pytest.raises(InputError, match="is no schedule"):
        When.parse(text)


@given(moments)
def test_a_time_of_day_is_due_once_a_day(moment):
    last = NIGHT.last_due(moment)
    assert last <= moment < last + timedelta(days=1)
    assert (last.hour, last.minute) == (2, 0)


@given(moments, st.integers(0, 20 * 24 * 60))
@example(datetime(2024, 1, 1, tzinfo=UTC), 120)  # run at two o'clock sharp, it is not run again
def test_days_that_were_missed_are_caught_up_by_one_run(moment, minutes):
    later = moment + timedelta(minutes=minutes)
    missed = NIGHT.last_due(later) > moment
    assert bool(due([job("02:00")], {"schedule a": Past(moment, True)}, later)) == missed
    if missed:
        assert not due([job("02:00")], {"schedule a": Past(later, True)}, later + timedelta(seconds=1))


def test_times_of_day_are_local():
    paris = timezone(timedelta(hours=1))
    ran = datetime(2024, 3, 1, 0, 30, tzinfo=UTC)  # 01:30 in Paris
    assert not due([job("02:00")], {"schedule a": Past(ran, True)}, datetime(2024, 3, 1, 1, 59, tzinfo=paris))
    assert due([job("02:00")], {"schedule a": Past(ran, True)}, datetime(2024, 3, 1, 2, 0, tzinfo=paris))


def test_an_interval_counts_from_the_last_start_and_a_failure_pauses():
    now = datetime(2024, 3, 1, tzinfo=UTC)
    assert due([job("15m")], {}, now)
    assert not due([job("15m")], {"schedule a": Past(now - timedelta(minutes=14), True)}, now)
    assert due([job("15m")], {"schedule a": Past(now - timedelta(minutes=15), True)}, now)
    assert not due([job("5s")], {"schedule a": Past(now - timedelta(minutes=1), False)}, now)
    assert due([job("02:00")], {"schedule a": Past(now - RETRY, False)}, now)


def test_the_environment_moves_jobs_and_turns_them_off():
    commands = {"report": ("1h", ("report",)), "sample": ("02:00", ("explain",)), "refresh": ("15m", ("refresh",))}
    jobs = chosen(commands, {"CAMEMBIAS_SCHEDULE_SAMPLE": "off", "CAMEMBIAS_SCHEDULE_REFRESH": " 30s "})
    assert [(one.name, one.when) for one in jobs] == [("report", When.parse("1h")), ("refresh", When.parse("30s"))]


def test_what_is_due_runs_once_and_is_written_down(tmp_path, monkeypatch):
    store = stores.create(tmp_path / "store")
    catalog.refresh(store)
    for name in ("SAMPLE", "COMPACT", "SNAPSHOT"):
        monkeypatch.setenv(f"CAMEMBIAS_SCHEDULE_{name}", "off")
    command = [*CODE, "schedule", "--store", str(store.root), "--reports", str(tmp_path / "r"), "--snapshots"]
    said = [
        subprocess.run([*command, str(tmp_path / "s"), "--once"], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert [line.split(" in ")[0] for line in said[0].splitlines()] == ["refresh: done", "report: done"]
    assert said[1] == ""
    assert "<html" in (tmp_path / "r" / "index.html").read_text(encoding="utf-8")
    rows = store.scan("runs").filter(kind="schedule report").collect()
    assert rows.select("status").rows() == [("done",)]


@pytest.mark.parametrize("option", ["--reports", "--snapshots"])
def test_its_folders_lie_in_no_store(tmp_path, option):
    store = stores.create(tmp_path / "store").root
    command = [*_scheduler(tmp_path, store), "--once", option, str(store / "x")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert "lies inside the store" in done.stderr
    assert not (store / "x").exists()


def test_where_there_is_no_store_no_folder_is_made(tmp_path):
    done = subprocess.run([*_scheduler(tmp_path, tmp_path / "none"), "--once"], capture_output=True, text=True)
    assert (done.returncode, "no store at" in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_fails_is_said_and_does_not_stop_the_others(tmp_path, monkeypatch):
    store = stores.create(tmp_path / "store")
    catalog.refresh(store)
    for name in ("COMPACT", "SNAPSHOT", "REPORT"):
        monkeypatch.setenv(f"CAMEMBIAS_SCHEDULE_{name}", "off")
    command = [*CODE, "schedule", "--store", str(store.root), "--model", str(tmp_path / "none")]
    command += ["--reports", str(tmp_path / "r"), "--snapshots", str(tmp_path / "s"), "--once"]
    done = subprocess.run([*command, "--log-json"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["message"].startswith("sample: failed")
    assert "none" in first["message"]
    assert (first["level"], first["job"], first["exit_code"]) == ("error", "sample", 2)
    assert (second["level"], second["job"], second["exit_code"]) == ("info", "refresh", 0)


@pytest.mark.parametrize(
    ("codes", "expected"), [((), 0), ((0, 0), 0), ((0, 2), 1), ((0, 75, 75), 75), ((75, 2), 1), ((-9,), 1)]
)
def test_exit_codes_of_jobs_make_one(codes, expected):
    assert exit_code(codes) == expected


@pytest.fixture
def start():
    """Start a process; it is killed at the end of a test that did not end it."""
    with ExitStack() as stack:

        def start(*command):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def test_told_to_end_while_it_waits_it_ends_at_once(start, tmp_path):
    process = start(*_scheduler(tmp_path, tmp_path / "none"))
    assert "waiting: no store" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(3) == 143  # -15 would be the system's doing, which the first process of a container is spared


def test_told_to_end_while_a_job_runs_it_ends_the_job_in_good_order(start, tmp_path, monkeypatch):
    store = stores.create(tmp_path / "store")
    for name in ("SAMPLE", "REFRESH", "SNAPSHOT", "REPORT"):
        monkeypatch.setenv(f"CAMEMBIAS_SCHEDULE_{name}", "off")
    with store.upkeep():  # the job waits for it
        process = start(*_scheduler(tmp_path, store.root))
        job = _until(lambda: Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())[0]
        _until(lambda: (store.root / "upkeep.lock.gate").name in str(_open_files(job)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 143
    assert not Path(f"/proc/{job}").exists()
    assert store.scan("runs").filter(kind="schedule compact").collect()["status"].to_list() == ["failed"]


def test_told_to_end_in_a_query_it_leaves_without_a_traceback(start, tmp_path):
    """Of one thread: DuckDB would wait for its others."""
    store = stores.create(tmp_path / "store")
    catalog.refresh(store)
    alone = "import duckdb as d; real = d.connect; d.connect = lambda *a, **k: real(*a, **k, config={'threads': 1})"
    command = [sys.executable, "-c", f"{alone}; {CODE[2]}", "sql", "SELECT sum(hash(range)) FROM range(100000000000)"]
    process = start(*command, "--store", str(store.root))
    _until(lambda: store.catalog.name in str(_open_files(str(process.pid))))
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert (process.communicate(timeout=20)[1], process.returncode) == ("", 143)


def _scheduler(folder, store):
    command = [*CODE, "schedule", "--store", str(store), "--reports", str(folder / "r"), "--snapshots"]
    return [*command, str(folder / "s")]


def _open_files(process: str) -> list[str]:
    try:
        return [str(path.readlink()) for path in Path(f"/proc/{process}/fd").iterdir()]
    except FileNotFoundError:
        return []


def _until(condition):
    end = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
