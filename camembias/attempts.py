"""The trail of a request batch: each attempt, and each tweet tried alone, on disk before the work begins.

One file a batch that was begun and is not finished, `attempts/BATCH.jsonl`, beside the parts: neither a killed worker
nor an emptied broker resets it. The worker that works on the batch holds a lock on it, which the kernel lets go when
the process dies; so the store itself knows what is running, what died, and in which tweet.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from camembias.files import readable
from camembias.store import Store, now

_SUFFIX = ".jsonl"
Line = dict[str, Any]  # {"at": …} with "attempt": 2 and "worker", or "tweet": "123", or "paused": true


@dataclass(slots=True)
class Trail:
    """A batch's trail, locked: whoever else has the same batch waits."""

    path: Path
    _file: BinaryIO
    lines: list[Line]

    @property
    def attempts(self) -> int:
        return sum("attempt" in line for line in self.lines)

    @property
    def suspect(self) -> str | None:
        """The tweet that was being tried alone when the last attempt died."""
        return self.lines[-1].get("tweet") if self.lines else None

    def is_guilty(self, worker: str) -> bool:
        """Whether the suspect is what the last attempt died of.

        It is when the worker itself lived on and only its child died, or when two attempts died in it. One death of
        a whole worker is no proof: somebody may have killed it.
        """
        if self.suspect is None:
            return False
        last = next(line["worker"] for line in reversed(self.lines) if "attempt" in line)
        followers = [*self.lines[1:], {"attempt": None}]  # a tweet followed by an attempt is one that it died in
        deaths = [line.get("tweet") for line, after in zip(self.lines, followers, strict=True) if "attempt" in after]
        return bool(last == worker) or deaths.count(self.suspect) > 1

    @contextmanager
    def unless_stopped(self, *by: type[BaseException]) -> Iterator[None]:
        """What is noted in the meantime is taken back when one of these errors comes: a disk that fails, or somebody
        who waits. No tweet is to blame, and no attempt counts."""
        size, known = os.fstat(self._file.fileno()).st_size, len(self.lines)
        try:
            yield
        except by:
            self._file.truncate(size)
            del self.lines[known:]
            raise

    def begin(self, worker: str) -> int:
        """Note a new attempt by this worker, and return its number, from 1. Raises StoreError for a full disk."""
        number = self.attempts + 1
        self._note({"attempt": number, "worker": worker})
        return number

    def trying(self, tweet_id: str) -> None:
        self._note({"tweet": tweet_id})

    def pause(self) -> None:
        """The attempt ended in order, finished or not."""
        self._note({"paused": True})

    def drop(self, tweet_ids: Collection[str]) -> None:
        """Take every line on these tweets out."""
        self.lines = [line for line in self.lines if line.get("tweet") not in tweet_ids]
        self._file.truncate(0)  # the same file: who waits for its lock must find it
        self._append(*self.lines)

    def remove(self) -> None:
        """The batch is finished: its explanations and failures say the rest."""
        self.path.unlink(missing_ok=True)

    def _note(self, line: Line) -> None:
        line = {"at": now().isoformat(), **line}
        self._append(line)
        self.lines.append(line)

    def _append(self, *lines: Line) -> None:
        raw = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        try:
            while raw:
                raw = raw[self._file.write(raw) :]  # a disk that fills up takes a part of it first
            os.fsync(self._file.fileno())
        except OSError as err:
            raise readable(err, self.path) from err


@contextmanager
def holding(store: Store, batch: str) -> Iterator[Trail]:
    """The batch's trail, held alone. Waits while another worker holds it."""
    path = store.attempts / f"{batch}{_SUFFIX}"
    path.parent.mkdir(exist_ok=True)
    with _locked(path) as file:
        if not path.read_bytes().endswith(b"\n"):
            file.write(b"\n")  # ends a line torn by a kill
        yield Trail(path, file, _read(path))


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open and lock; again when the file was removed, because finished, while we waited for it."""
    while True:
        with path.open("ab", buffering=0) as file:  # what a full disk refused is not written later, on closing
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                yield file
                return


@dataclass(frozen=True, slots=True)
class Attempted:
    """A batch that was begun and is not finished."""

    batch: str
    attempts: int
    begun_at: datetime
    running: bool  # False: its worker died, or ended before it was done


def begun(store: Store) -> dict[str, Attempted]:
    found = {}
    for path in sorted(store.attempts.glob(f"*{_SUFFIX}")):
        with suppress(FileNotFoundError):  # finished meanwhile
            starts = [line["at"] for line in _read(path) if "attempt" in line]
            if starts:
                begun_at = datetime.fromisoformat(starts[-1])
                found[path.stem] = Attempted(path.stem, len(starts), begun_at, _is_held(path))
    return found


def naming(store: Store, tweet_ids: Collection[str]) -> set[str]:
    """The batches in whose trail one of these tweets was tried alone."""
    found = set()
    for path in store.attempts.glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # finished meanwhile
            if any(line.get("tweet") in tweet_ids for line in _read(path)):
                found.add(path.stem)
    return found


def is_running(store: Store, batch: str) -> bool:
    path = store.attempts / f"{batch}{_SUFFIX}"
    return path.exists() and _is_held(path)


def _read(path: Path) -> list[Line]:
    """The whole lines; the last one may be torn, because its writer was killed."""
    lines = []
    for raw in path.read_bytes().splitlines():
        with suppress(ValueError):
            lines.append(json.loads(raw))
    return lines


def _is_held(path: Path) -> bool:
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
