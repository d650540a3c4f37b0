"""How far work is, as a line on stderr now and then: for logs, where a bar cannot be drawn.

The first line comes after 10 s, so that short work says nothing; then one at most every 30 s, more and more seldom
while nothing moves; and one at the end if there was any. With --log-json a line is a JSON object like the others.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from camembias import logs

FIRST_S, EVERY_S = 10.0, 30.0
TICK_S = 1.0
_RATE_TICKS = 121  # the rate is that of the last two minutes


class Lines:
    """Work that is told of from a thread of its own: it may be silent for minutes. Use as a context manager."""

    def __init__(
        self, say: Callable[[str], None], title: str = "", total: float | None = None, unit: str = "", done: float = 0
    ) -> None:
        self._say, self._title, self._total, self._unit, self._done = say, title, total, unit, done
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._began = time.monotonic()
        self._seen = deque([(self._began, done)], _RATE_TICKS)
        self._next, self._pause = self._began + FIRST_S, EVERY_S
        self._told: float | None = None  # what the last line said to be done

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._told is not None and self._told != self._done:
            self._tell(f" in {duration(time.monotonic() - self._began)}")

    def advance(self, amount: float) -> None:
        with self._lock:
            self._done += amount

    def update(self, title: str, done: float, total: float) -> None:
        with self._lock:
            if title.partition(",")[0] != self._title.partition(",")[0] or done < self._done:
                self._seen = deque([(time.monotonic(), done)], _RATE_TICKS)
            self._title, self._done, self._total = title, done, total

    def _watch(self) -> None:
        while not self._over.wait(TICK_S):
            now = time.monotonic()
            with self._lock:
                self._seen.append((now, self._done))
            moved = self._done != self._told
            if now >= self._next or (moved and now >= self._next - self._pause + EVERY_S):
                self._pause = EVERY_S if moved else 2 * self._pause
                self._next = now + self._pause
                self._tell()

    def _tell(self, ending: str = "") -> None:
        with self._lock:
            title, done, total = self._title, self._done, self._total
            (since, before), elapsed = self._seen[0], time.monotonic() - self._began
        self._told = done
        rate = (done - before) / max(time.monotonic() - since, 1e-9)
        line = described(title, done, total, self._unit, rate, elapsed, ending)
        if logs.are_json():
            fields = {"done": done, "total": total, "unit": self._unit, "per_second": round(rate, 4)}
            logs.event("progress", line, fields)
        else:
            self._say(line)


def described(
    title: str, done: float, total: float | None, unit: str, rate: float, elapsed: float, ending: str = ""
) -> str:
    """One line: what, how much of how much, how fast, and how long it takes still."""
    of = f" of {total:,.0f}" if total is not None else ""
    share = f" ({int(100 * min(done / total, 1))} %)" if total else ""
    parts = [f"{title}: {done:,.0f}{of}{' ' * bool(unit)}{unit}{share}"]
    if not done and total is None:
        parts = [f"{title}: {duration(elapsed)} so far"]
    if ending:
        return f"{parts[0]}{ending}"
    if rate > 0:
        parts.append(speed(rate))
        if total is not None and total > done:
            parts.append(f"about {duration((total - done) / rate)} left")
    return ", ".join(parts)


def speed(rate: float) -> str:
    if rate < 0.1:
        return f"{60 * rate:.1f} per minute"
    return f"{rate:,.0f} per second" if rate >= 10 else f"{rate:.1f} per second"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
