"""The folder beside the target in which an unfinished run keeps what it has done, so that a killed one can go on."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from camembias.errors import InputError
from camembias.files import write_text

_PLAN, _LOCK = "plan.json", "lock"  # the lock is never replaced, as the plan is when it is written


def folder_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.training")


@contextmanager
def working(target: Path, plan: Mapping[str, Any], resume: bool) -> Iterator[Path]:
    """The working folder of a run described by `plan`; removed when the block ends well, or left nothing behind.

    Raises InputError when an unfinished run is there and `resume` is false, when it had another plan, or when
    another process is at it.
    """
    folder = folder_of(target)
    written, lock = folder / _PLAN, folder / _LOCK
    folder.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(handle.fileno()), lock.stat())  # a run that just ended removes its lock
        except OSError:
            held = False
        if not held:
            raise InputError(f"'{folder}' is in use: another process is training '{target}'; wait for it")
        if not written.exists():
            write_text(written, json.dumps(plan, ensure_ascii=False, indent=1))
        elif not resume:
            raise InputError(f"'{folder}' holds an unfinished run; go on with it: --resume, or remove it to begin anew")
        else:
            _same(folder, json.loads(written.read_text(encoding="utf-8")), json.loads(json.dumps(plan)))
        try:
            yield folder
        except BaseException:
            if not any(path.is_file() and path not in (written, lock) for path in folder.rglob("*")):
                shutil.rmtree(folder)  # nothing done yet: nothing to go on with
            raise
        shutil.rmtree(folder)


def _same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    differ = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if differ:
        shown = ", ".join(f"{name} was {before.get(name)}, is {now.get(name)}" for name in differ)
        raise InputError(f"'{folder}' holds a run of other data or options ({shown}); give the same, or remove it")
