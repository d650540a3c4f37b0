"""Locks between processes, which the kernel lets go when a process dies.

Many share a lock while they read or write; one that must be alone waits for them, and those who come later wait for it:
else a busy store would never let it in. For that a second file, the gate, is passed on the way in.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from camembias.errors import StoreBusy
from camembias.files import readable

WAIT_S = 600.0
_POLL_S = 0.05


class _Held(threading.local):
    """What this thread shares already: it may share it again, also when somebody waits to be alone."""

    def __init__(self) -> None:
        self.paths: set[Path] = set()


_held = _Held()


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock on a file, which must exist, together with others who share it. May be nested in one thread."""
    if path in _held.paths:
        yield
        return
    with path.open("rb") as handle:
        with suppress(FileNotFoundError), _gate(path).open("rb") as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
            fcntl.flock(handle, fcntl.LOCK_SH)
        fcntl.flock(handle, fcntl.LOCK_SH)  # where nobody was ever alone, there is no gate
        _held.paths.add(path)
        try:
            yield
        finally:
            _held.paths.discard(path)


@contextmanager
def alone(path: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock on a file alone; the file is made if it is not there.

    Raises StoreBusy when others still hold it after `wait_s` seconds, StoreError when the file cannot be written.
    """
    with opened(_gate(path)) as gate, opened(path) as handle:
        until = time.monotonic() + wait_s
        _take(gate, path, until)
        _take(handle, path, until)
        yield


def opened(path: Path) -> BinaryIO:
    """The file of a lock, made if it is not there. Raises StoreError when it cannot be written."""
    try:
        return path.open("ab")  # a network file system grants a lock to writers only
    except OSError as err:
        raise readable(err, path) from err


def _gate(path: Path) -> Path:
    return path.with_name(f"{path.name}.gate")


def _take(handle: BinaryIO, path: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise StoreBusy(f"'{path}' is in use by another command; run this one again later") from None
            time.sleep(_POLL_S)
