"""Merges small parts into larger ones, so that a store that grew by the hour stays quick to read.

Merged are `tweets` and `predictions` (together, a serving version at a time), `rejects`, `units` and ended `runs`: only
of units in the ledger, because an unfinished one is written again under its names. Repeated rows that no view would
show are left out. Two texts of one tweet are both kept: `classify` knows a tweet by id and text.

Left alone is what is looked up by the name of its part: `requests`, `request_texts`, `explanations` and `failures` (a
worker, and whoever waits for it, ask by batch what came of it), `effects` (one part a word, replaced as a whole),
`designs`, `draws`, `models`, `training_words`, `concepts`, `decisions`, `quality` and `tombstones`. There are few of
those but for batches, and one of these holds two seconds of work: 2,000 parts are scanned in about a tenth of a second.

A merge is noted before it is written, with the checksums of its sources. They are removed an hour later, when no reader
can still hold their names, and only those that have not changed: a job may have written one again. Killed anywhere, it
is run again. Run twice, it does nothing. It shares the store with jobs, and is alone with it only while it removes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from camembias.files import sha256, write_text
from camembias.schemas import TABLES
from camembias.store import READ_FOR, Store, now

MERGED = "merged-"
_ROWS = 200_000  # of a merged part: some 50 MB of tweets in memory
_FOLDER = "merges"
# What is one thing, and which of its rows a view shows: the longest text, the latest. As in sql/views/10_facts.sql.
_RULES: dict[str, tuple[list[str], list[tuple[pl.Expr, bool]]]] = {
    "tweets": (
        ["tweet_id", "text_hash"],
        [(pl.col("text").str.len_chars(), True), (pl.col("seen_at"), True), (pl.col("source"), False)],
    ),
    "predictions": (
        ["tweet_id", "serving_version"],
        [(pl.col("classified_at"), True), (pl.col("run_id"), True), (pl.col("label"), False)],
    ),
    "rejects": (["source", "line", "reason", "raw"], [(pl.col("run_id"), True)]),
    "units": (["unit", "serving_version"], [(pl.col("finished_at"), True)]),
    "runs": (["run_id"], [(pl.col("finished_at"), True)]),
}


@dataclass(slots=True)
class Done:
    merged: int = 0  # parts that were merged
    into: int = 0  # parts that they became
    rows: int = 0  # repeated rows left out
    removed: int = 0  # parts merged earlier, removed now


@dataclass(frozen=True, slots=True)
class Merge:
    """A note: which parts of each table, with their checksums, became its part `name`."""

    name: str
    sources: dict[str, dict[str, str]]  # table → part → sha256
    at: datetime

    @property
    def parts(self) -> set[tuple[str, str]]:
        """(table, part) of the sources."""
        return {(table, name) for table, sums in self.sources.items() for name in sums}

    def whole(self, store: Store) -> bool:
        """Whether all was written, so that the sources only stay for those who read them."""
        return all(store.has_part(table, self.name) for table in self.sources)

    def write(self, store: Store) -> None:
        write_text(_note(store, self.name), json.dumps({**asdict(self), "at": self.at.isoformat()}))


def compact(store: Store, keep: timedelta = READ_FOR, rows: int = _ROWS) -> Done:
    """Remove what was merged at least `keep` ago, then merge parts of fewer than half of `rows`.

    Raises StoreBusy while another compaction or a `forget` runs.
    """
    done = Done()
    with store.upkeep():
        done.removed = remove(store, keep)
        waiting = {source for one in notes(store) for source in one.parts}
        for tables, prefix, names in _candidates(store):
            left = [name for name in names if (tables[0], name) not in waiting]
            for group in _groups(store, tables[0], left, rows):
                _merge(store, tables, group, prefix, done)
    return done


def remove(store: Store, keep: timedelta) -> int:
    """Remove the sources of merges that are at least `keep` old, unless they changed; returns their number.

    Of a merge that was killed half-way, what it had written is removed instead: its sources are all there.
    """
    removed = 0
    for one in notes(store):
        if now() - one.at < keep:
            continue
        with store.alone():
            if one.whole(store):
                for table, sums in one.sources.items():
                    removed += sum(_removed(store.part(table, name), digest) for name, digest in sums.items())
            else:
                for table in one.sources:
                    store.part(table, one.name).unlink(missing_ok=True)
            _note(store, one.name).unlink()
    return removed


def _removed(path: Path, digest: str) -> bool:
    if not path.exists() or sha256(path) != digest:
        return False
    path.unlink()
    return True


def counting(store: Store, table: str) -> list[str]:
    """The parts of a table without those that were merged and not yet removed: their rows are there twice."""
    twice = {source for one in notes(store) if one.whole(store) for source in one.parts}
    return [name for name in store.part_names(table) if (table, name) not in twice]


def notes(store: Store) -> list[Merge]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((store.root / _FOLDER).glob("*.json"))]
    return [Merge(one["name"], one["sources"], datetime.fromisoformat(one["at"])) for one in found]


def _note(store: Store, name: str) -> Path:
    return store.root / _FOLDER / f"{name}.json"


def _candidates(store: Store) -> Iterator[tuple[tuple[str, ...], str, list[str]]]:
    """Tables that are merged together, how the names of their merged parts begin, and the parts that may be merged."""
    with store.shared():
        versions = dict(store.scan("units").select("unit", "serving_version").collect().iter_rows())
        ended = store.scan("runs").filter(pl.col("finished_at").is_not_null()).select("run_id").collect()
        parts = {table: store.part_names(table) for table in _RULES}
    every = f"{MERGED}all-"
    both = sorted(set(parts["tweets"]) & set(parts["predictions"]))
    for version in sorted(set(versions.values())):
        prefix = merged_of(version)
        mine = [name for name in both if versions.get(name) == version or name.startswith(prefix)]
        yield ("tweets", "predictions"), prefix, mine
    for table, units in (("rejects", set(versions)), ("units", set(parts["units"])), ("runs", set(ended["run_id"]))):
        yield (table,), every, [name for name in parts[table] if name in units or name.startswith(every)]


def merged_of(serving_version: str) -> str:
    """How the names of merged parts of tweets and predictions of this serving version begin."""
    return f"{MERGED}{serving_version}-"


def _groups(store: Store, table: str, names: Iterable[str], rows: int) -> Iterator[list[str]]:
    """Small parts in order, at least two at a time, until they make up a large one."""
    with store.shared():
        there = [name for name in names if store.has_part(table, name)]
        counts = {name: pl.scan_parquet(store.part(table, name)).select(pl.len()).collect().item() for name in there}
    group: list[str] = []
    held = 0
    for name in [name for name, count in counts.items() if count < rows / 2]:
        group.append(name)
        held += counts[name]
        if held >= rows:
            yield group
            group, held = [], 0
    if len(group) > 1:
        yield group


def _merge(store: Store, tables: tuple[str, ...], group: list[str], prefix: str, done: Done) -> None:
    """Write what was read, whatever happens to the sources meanwhile: their checksums are of the very bytes read."""
    with store.shared():  # nothing is forgotten between reading and writing
        bodies = {
            table: {name: store.part(table, name).read_bytes() for name in group if store.has_part(table, name)}
            for table in tables
        }
        sums = {
            table: {name: hashlib.sha256(body).hexdigest() for name, body in bodies[table].items()} for table in tables
        }
        # Other contents under the same names make another part: a merged part is never written over.
        name = prefix + hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:12]
        Merge(name, sums, now()).write(store)
        for table, found in bodies.items():
            frames = [pl.DataFrame(schema=TABLES[table]), *map(pl.read_parquet, found.values())]
            whole = pl.concat(frames, how="diagonal_relaxed")  # an older part may lack a column
            kept = once(table, whole)
            store.write(table, name, kept)
            done.merged, done.into = done.merged + len(found), done.into + 1
            done.rows += len(whole) - len(kept)


def once(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Without rows that a row here outdoes in every view, in a stable order."""
    keys, order = _RULES[table]
    columns, descending = zip(*order, strict=True)
    best = rows.sort(*columns, descending=list(descending), nulls_last=True, maintain_order=True)
    return best.unique(keys, keep="first", maintain_order=True).sort(keys, maintain_order=True)
