"""What is due when: jobs that run every so often or once a day, and what a machine that was off has missed.

Nothing is remembered between two starts but the table `runs`: a job is due when its last run began before the time it
should have. So a missed job is caught up, once, and a job that failed is tried again after a pause.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from camembias.errors import InputError, StoreBusy

VARIABLE = "CAMEMBIAS_SCHEDULE_"  # and the job's name: how often, instead of its default
RETRY = timedelta(minutes=15)  # after a failure
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class When:
    """Every `every`, or daily at `hour`:`minute`, local time."""

    every: timedelta | None = None
    hour: int = 0
    minute: int = 0

    @classmethod
    def parse(cls, text: str) -> When | None:
        """None for "off". Raises InputError for what is neither an interval nor a time of day."""
        if text == "off":
            return None
        if found := re.fullmatch(r"([1-9]\d{0,4})([smhd])", text):
            return cls(timedelta(**{_UNITS[found[2]]: int(found[1])}))
        if found := re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text):
            return cls(None, int(found[1]), int(found[2]))
        raise InputError(f"'{text}' is no schedule; write an interval (90s, 15m, 6h, 1d), a time of day (02:00) or off")

    def has_come(self, started: datetime, now: datetime) -> bool:
        """Whether another run is due by now, after one that began at `started`."""
        return started < self.last_due(now) if self.every is None else now - started >= self.every

    def last_due(self, now: datetime) -> datetime:
        """The latest moment, `now` or before, at which a daily run should have begun."""
        today = now.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        return today if today <= now else today - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    when: When
    command: tuple[str, ...]  # of camembias

    @property
    def kind(self) -> str:
        """Of its rows in `runs`."""
        return f"schedule {self.name}"


@dataclass(frozen=True, slots=True)
class Past:
    """The last run of a job: when it began, and whether it ended well. One that never ended did not."""

    started: datetime
    done: bool


def due(jobs: Sequence[Job], past: Mapping[str, Past], now: datetime) -> list[Job]:
    """The jobs to run now, in their order. `past`: the last run of each kind; `now` knows its time zone."""
    found = []
    for job in jobs:
        last = past.get(job.kind)
        if last is None or (job.when.has_come(last.started, now) if last.done else now - last.started >= RETRY):
            found.append(job)
    return found


def chosen(commands: Mapping[str, tuple[str, tuple[str, ...]]], environment: Mapping[str, str]) -> list[Job]:
    """Jobs of `commands` (name: default time, command), at the times that the environment says."""
    jobs = []
    for name, (usual, command) in commands.items():
        text = environment.get(f"{VARIABLE}{name.upper()}", "").strip() or usual
        if (when := When.parse(text)) is not None:
            jobs.append(Job(name, when, command))
    return jobs


def exit_code(codes: Collection[int]) -> int:
    """Of jobs run one after another: 0, or 75 where those that failed may work later as they are, or else 1."""
    failed = set(codes) - {0}
    if failed == {StoreBusy.exit_code}:
        return StoreBusy.exit_code
    return 1 if failed else 0
