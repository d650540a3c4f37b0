"""Files that arrive in a folder, each when it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from batch.sources import tables_in
from camembias.errors import InputError

POLL_S = 1.0

_Seen = dict[Path, tuple[int, int, int]]  # size in bytes, time of change in ns, and the same of its name and rights
_UNSEEN = (-1, 0, 0)  # of a file that may not be looked at: it is given once, and reading it tells why


def arriving(folder: Path, stop: Event, poll_s: float = POLL_S) -> Iterator[list[Path]]:
    """Groups of files that have kept size and time of change from one look to the next, until `stop` is set.

    A file comes again when it has changed, or who may read it. What is there already comes first. Hidden files and
    those whose suffix names no table never come, so a writer may use `.name.csv` or `name.csv.part` and rename at the
    end.
    Raises InputError when there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"no folder '{folder}' to follow; make it first")
    before: _Seen = {}
    given: _Seen = {}
    while not stop.is_set():
        seen = _look(folder)
        ready = [path for path, state in seen.items() if before.get(path) == state != given.get(path)]
        given = {path: state for path, state in given.items() if path in seen}
        given.update((path, seen[path]) for path in ready)
        before = seen
        if ready:
            yield ready
        stop.wait(poll_s)


def _look(folder: Path) -> _Seen:
    seen = {}
    for path in tables_in(folder):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue  # gone between listing and looking
        except OSError:
            seen[path] = _UNSEEN
            continue
        if state.st_size:
            seen[path] = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return seen
