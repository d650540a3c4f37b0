"""The table `sampled_texts`: a part is a block of texts, which are summed together.

A text stays in the block that it came into, and what is new comes last: so a refresh looks at new texts only, and
makes sums of few blocks. A block that changes gets a new part, and its old one stays for an hour or more, while it
has texts: people may be reading it. What the parts were made from is noted beside them.
It knows rows and parts. It does not know SQL, nor what is summed.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import polars as pl

from camembias import tombstones
from camembias.files import write_text
from camembias.store import READ_FOR, Store

TABLE = "sampled_texts"
BLOCK = 16_384  # texts: 2 million scores of five labels, which fit a small memory
TEXTS = 2  # what its rows and names of parts say; another number, and all are made again
_PART = re.compile(r"(?P<number>\d{6,})-v(?P<version>\d{6})-(?P<state>[0-9a-f]{16})")  # the view takes the last version
_KEY = ["model_version", "method", "baseline", "text"]

Sources = Mapping[str, Mapping[str, str]]  # table → part → what changes when the part does


def known(store: Store) -> Sources:
    """What the parts were made from; nothing when that is not known, as after a refresh that was killed."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        found = json.loads(_note(store).read_text(encoding="utf-8"))
        if (found["texts"], found["blocks"]) == (TEXTS, names(store)):
            return dict(found["sources"])
    return {}


def added(before: Sources, now: Sources) -> dict[str, list[str]] | None:
    """Parts that are new, by table; None when others changed or are gone, or nothing is known of them."""
    if any(parts.items() - now.get(table, {}).items() for table, parts in before.items()) or not before:
        return None
    return {table: sorted(set(parts) - set(before.get(table, {}))) for table, parts in now.items()}


def names(store: Store) -> list[str]:
    """The parts that count, of each block its last version; by number."""
    return list(_last(store).values())


def _last(store: Store) -> dict[int, str]:
    """By number, in order."""
    return {int(match["number"]): match[0] for match in _versions(store)}


def _versions(store: Store) -> Iterator[re.Match[str]]:
    """The parts that count or did, those of a block one after another."""
    return filter(None, map(_PART.fullmatch, store.part_names(TABLE)))


def settle(store: Store, rows: pl.DataFrame, among: pl.Series | None, sources: Sources) -> None:
    """Make the parts what `rows` says, of texts that are `among` these, or of all.

    `rows`: of the table, without `block`. For one process at a time. Whatever it is killed at, the next call for all
    texts puts right.
    """
    rows = tombstones.without(store, TABLE, rows)  # while a tweet is being forgotten, it is still in the index
    _tidy(store)
    parts = _last(store)
    these = pl.lit(True) if among is None else pl.col("text").is_in(among.implode())
    old, rows = store.scan(TABLE, parts.values()).filter(these).collect(), rows.filter(these)
    placed = rows.join(old.select(*_KEY, "block", was="mark"), on=_KEY, how="left")
    changed = placed.filter(pl.col("mark") != pl.col("was"))["block"]
    gone = old.join(rows, on=_KEY, how="anti")["block"]
    fresh = _dealt(store, parts, placed.filter(pl.col("block").is_null()))
    placed = pl.concat([placed.filter(pl.col("block").is_not_null()), fresh]).drop("was")
    by_block = {number: block for (number,), block in placed.partition_by("block", as_dict=True).items()}
    for number in sorted({*changed, *gone, *fresh["block"], *(parts if among is None else ())}):
        block = by_block.get(number, placed.clear())
        if among is not None and number in parts:
            others = store.read(TABLE, parts[number]).join(old, on=_KEY, how="anti")
            block = pl.concat([others, block], how="diagonal")
        _put(store, number, block, parts.get(number))
    write_text(_note(store), json.dumps({"texts": TEXTS, "blocks": names(store), "sources": sources}))


def _tidy(store: Store) -> None:
    """Remove parts that were replaced an hour ago, and those of another version of camembias."""
    versions = list(_versions(store))
    for name in set(store.part_names(TABLE)) - {match[0] for match in versions}:
        store.part(TABLE, name).unlink()
    for old, new in pairwise(versions):
        replaced = store.part(TABLE, new[0]).stat().st_mtime
        if old["number"] == new["number"] and replaced < time.time() - READ_FOR.total_seconds():
            store.part(TABLE, old[0]).unlink()


def _dealt(store: Store, parts: Mapping[int, str], fresh: pl.DataFrame) -> pl.DataFrame:
    """With their blocks: the last one, where it is under a quarter full and so cheap to sum again, and new ones."""
    last = max(parts, default=-1)
    held = store.read(TABLE, parts[last], ["text"]).height if parts else BLOCK
    first, held = (last, held) if held < BLOCK / 4 else (last + 1, 0)
    ordered = fresh.sort("batch", "tweet_id", *_KEY)
    return ordered.with_columns(block=first + (pl.int_range(pl.len(), dtype=pl.Int64()) + held) // BLOCK)


def _put(store: Store, number: int, block: pl.DataFrame, was: str | None) -> None:
    marks = block.sort(_KEY).select(*_KEY, "mark").write_csv()
    state = hashlib.sha256(f"{TEXTS} {marks}".encode()).hexdigest()[:16]
    before = _PART.fullmatch(was or "")
    if not block.height:  # else one that it replaced would be the last
        for part in _versions(store):
            if int(part["number"]) == number:
                store.part(TABLE, part[0]).unlink()
    elif not before or before["state"] != state:
        version = int(before["version"]) + 1 if before else 1
        store.write(TABLE, f"{number:06}-v{version:06}-{state}", block.sort("batch", "tweet_id"))


def _note(store: Store) -> Path:
    return store.root / TABLE / "sources.json"
