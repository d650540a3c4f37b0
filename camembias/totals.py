"""One part for nearly all blocks of sums, so that a refresh adds up a few parts, however much was explained.

Sums add. The total of the first n blocks is a part of `sums`, named by these blocks; they then stand in its folder
`merged`, for the day when one of them changes and the total with it. So `sums/*.parquet` adds up to everything once.
It knows parts and names of blocks. It does not know what was summed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from camembias.store import Store

_PREFIX = "total-"
_LOOSE = 4  # blocks after the total; with more, it is made anew: it is as large as several blocks


def has_block(store: Store, name: str) -> bool:
    return store.has_part("sums", name) or _merged(store, name).exists()


def block_names(store: Store) -> set[str]:
    blocks = {name for name in store.part_names("sums") if not name.startswith(_PREFIX)}
    return blocks | {path.stem for path in _folder(store).glob("*.parquet")}


def remove_block(store: Store, name: str) -> None:
    for path in (store.part("sums", name), _merged(store, name)):
        path.unlink(missing_ok=True)


def settle(store: Store, names: Sequence[str], added_up: Callable[[list[Path]], pl.DataFrame]) -> None:
    """Make the parts of `sums` add up to these blocks, all of which are there.

    The last one may grow, so a new total leaves it out. `added_up` gives the rows of several parts as the rows of one.
    For one process at a time. Whatever it is killed at, the next call puts right.
    """
    known = _longest_total(store, names)
    covered = known if len(names) - known <= _LOOSE else len(names) - 1
    if known < covered:
        parts = [_where(store, name) for name in names[known:covered]]
        if known:
            parts.insert(0, store.part("sums", _total(names[:known])))
        store.write("sums", _total(names[:covered]), added_up(parts))
    for name in store.part_names("sums"):
        if name.startswith(_PREFIX) and not (covered and name == _total(names[:covered])):
            store.part("sums", name).unlink()
    for at, name in enumerate(names):
        here, there = store.part("sums", name), _merged(store, name)
        (source, target) = (here, there) if at < covered else (there, here)
        if source.exists():
            _folder(store).mkdir(exist_ok=True)
            source.replace(target)


def _longest_total(store: Store, names: Sequence[str]) -> int:
    """How many of the first blocks have a total."""
    return next((count for count in range(len(names), 0, -1) if store.has_part("sums", _total(names[:count]))), 0)


def _total(names: Sequence[str]) -> str:
    return _PREFIX + hashlib.sha256(repr(list(names)).encode()).hexdigest()[:16]


def _where(store: Store, name: str) -> Path:
    path = store.part("sums", name)
    return path if path.exists() else _merged(store, name)


def _merged(store: Store, name: str) -> Path:
    return _folder(store) / f"{name}.parquet"


def _folder(store: Store) -> Path:
    return store.root / "sums" / "merged"
