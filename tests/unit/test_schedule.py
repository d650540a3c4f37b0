"""When jobs are due: laws of times, without a clock. What a scheduler then does runs in the last tests, for real."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camembias import catalog
from camembias import store as stores
from camembias.errors import InputError
from camembias.schedule import RETRY, Job, Past, When, chosen, due

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


def test_a_job_that_fails_is_said_and_does_not_stop_the_others(tmp_path, monkeypatch):
    store = stores.create(tmp_path / "store")
    catalog.refresh(store)
    for name in ("COMPACT", "SNAPSHOT", "REPORT"):
        monkeypatch.setenv(f"CAMEMBIAS_SCHEDULE_{name}", "off")
    command = [*CODE, "schedule", "--store", str(store.root), "--model", str(tmp_path / "none")]
    command += ["--reports", str(tmp_path / "r"), "--snapshots", str(tmp_path / "s"), "--once"]
    done = subprocess.run([*command, "--log-json"], capture_output=True, text=True, check=True)
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["message"].startswith("sample: failed")
    assert "none" in first["message"]
    assert (first["level"], first["job"], first["exit_code"]) == ("error", "sample", 2)
    assert (second["level"], second["job"], second["exit_code"]) == ("info", "refresh", 0)
