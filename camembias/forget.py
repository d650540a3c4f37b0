"""Erases tweets from a store, and keeps them out.

The story: a tombstone first, which every write looks at; then the tweet can only become less. The batches that ask for
it are held, so that no worker has it in hand; then, alone with the store, every part that has a row of it is written
again without. Safe beside jobs and workers: they wait for the moment that this takes, or this waits for them. A reader
of `audit.duckdb` that is no command of camembias may fail once. Killed half-way, it is run again, and goes on.
It knows the tables. That nothing is left, `camembias.proof` shows.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import polars as pl

from camembias import attempts, compaction, proof, tombstones, training_words
from camembias.attempts import Trail
from camembias.schemas import TABLES
from camembias.store import Store, now
from camembias.text import normalise, text_hash

SHORTEST = 16  # characters; a shorter text is a word or two, which say nothing of where they come from
_BLANK = "forgotten"
_OWN = tuple(table for table, schema in TABLES.items() if "tweet_id" in schema)


@dataclass(slots=True)
class Erased:
    """`ids`: the tweets asked for, the free texts that are the same, and with them other tweets, if that was wanted.
    `texts`: what they said. `others`: tweets that stay and hold one of the texts."""

    ids: set[str]
    texts: set[str] = field(default_factory=set)
    others: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)  # by table, as stored: a row may have been there twice


def forget(store: Store, tweet_ids: Collection[str], same_text: bool = False) -> Erased:
    """Erase the tweets; with `same_text` also others that hold the text, such as retweets.

    Raises StoreBusy when other commands are at work all the time.
    """
    found = Erased(set(tweet_ids))
    with store.upkeep():
        compaction.remove(store, timedelta(0))  # what was merged goes now: once changed it would stay for ever
        _bury(store, found.ids)
        found.texts = _texts(store, found.ids)
        found.others = _holding(store, found)
        if same_text and found.others:
            found.ids |= set(found.others)
            _bury(store, found.ids)
            found.texts, found.others = _texts(store, found.ids), []
        found.ids |= {f"text-{text_hash(text)}" for text in found.texts}  # as `explain --text` names them
        _bury(store, found.ids)
        with ExitStack() as held:
            trails = [held.enter_context(attempts.holding(store, batch)) for batch in _batches(store, found.ids)]
            with store.alone():
                _erase(store, found)
                for trail in trails:
                    _clean(trail, found.ids)
    return found


def _bury(store: Store, tweet_ids: Collection[str]) -> None:
    """Alone with the store: who wrote before is done, and who writes later sees the tombstone."""
    with store.alone():
        for one in tweet_ids:
            name = tombstones.name_of(store, one)
            if not store.has_part(tombstones.TABLE, name):
                row = {"tweet": name, "forgotten_at": now()}
                store.replace(tombstones.TABLE, name, pl.DataFrame([row], schema=TABLES[tombstones.TABLE]))


def _texts(store: Store, tweet_ids: Collection[str]) -> set[str]:
    with store.shared():
        frames = [_texts_in(store, "tweets", tweet_ids)]
    with store.alone():  # else a worker may remove a part of these as it is read
        frames += [_texts_in(store, "request_texts", tweet_ids)]
    return {text for frame in frames for text in frame["text"]}


def _texts_in(store: Store, table: str, tweet_ids: Collection[str]) -> pl.DataFrame:
    return store.scan(table).filter(pl.col("tweet_id").is_in(tweet_ids)).select("text").drop_nulls().collect()


def _holding(store: Store, found: Erased) -> list[str]:
    """Other tweets whose text holds one of the texts that are long enough to tell."""
    if not (long := [text for text in found.texts if len(text) >= SHORTEST]):
        return []
    with store.shared():
        rows = store.scan("tweets").filter(
            ~pl.col("tweet_id").is_in(found.ids),
            pl.any_horizontal(pl.col("text").str.contains(text, literal=True) for text in long),
        )
        return rows.select("tweet_id").unique().sort("tweet_id").collect()["tweet_id"].to_list()


def _batches(store: Store, tweet_ids: Collection[str]) -> list[str]:
    with store.alone():  # as above
        tables = ("requests", "request_texts")
        asked = {path.stem for table in tables for path in _parts_with(store, table, tweet_ids)}
    return sorted(asked | attempts.naming(store, tweet_ids))


def _parts_with(store: Store, table: str, tweet_ids: Collection[str]) -> list[Path]:
    parts = pl.scan_parquet(store.root / table / "*.parquet", include_file_paths="_path", schema=TABLES[table],
                            missing_columns="insert")  # fmt: skip
    hits = parts.filter(pl.col("tweet_id").is_in(tweet_ids)).select("_path").unique().collect()
    return sorted(map(Path, hits["_path"]))


def _erase(store: Store, found: Erased) -> None:
    for path in list(store.root.rglob("*.tmp*")):  # of jobs that were killed: nobody else is writing now
        if path.is_dir():  # what DuckDB had put on the disk for want of memory
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for table in _OWN:
        for path in _parts_with(store, table, found.ids):
            before = store.read(table, path.stem)
            _put(store, table, path, before, before.filter(~pl.col("tweet_id").is_in(found.ids)), found)
    for name in store.part_names("rejects"):
        before = store.read("rejects", name)
        kept = pl.Series([not _names(raw, found) for raw in before["raw"]], dtype=pl.Boolean())
        _put(store, "rejects", store.part("rejects", name), before, before.filter(kept), found)
    for name, salt in _salts(store):
        before = store.read("training_words", name)
        path, after = store.part("training_words", name), training_words.without(before, salt, found.ids)
        _put(store, "training_words", path, before, after, found)
    _blank_runs(store, found)


def _put(store: Store, table: str, path: Path, before: pl.DataFrame, after: pl.DataFrame, found: Erased) -> None:
    if gone := len(before) - len(after):
        found.rows[table] = found.rows.get(table, 0) + gone
        if after.is_empty() and table != "training_words":  # those would be copied from the bundle again
            path.unlink()
        else:
            store.replace(table, path.stem, after)


def _names(raw: str | None, found: Erased) -> bool:
    """Whether a refused input row is of one of the tweets: it names the id, or holds the text."""
    if tombstones.named_in(raw) & found.ids:
        return True
    text = normalise(raw or "")
    return any(one == text or (len(one) >= SHORTEST and one in text) for one in found.texts)


def _salts(store: Store) -> Iterator[tuple[str, str | None]]:
    models = store.scan("models").sort("seen_at").unique("model_version", keep="last").collect()
    for version, manifest in models.select("model_version", "manifest").iter_rows():
        if store.has_part("training_words", version):
            yield version, json.loads(manifest or "{}").get("training_salt")


def _blank_runs(store: Store, found: Erased) -> None:
    """Arguments of jobs may name a tweet; what a job did stays on record."""
    texts = sorted(found.texts, key=len, reverse=True)  # one may be the beginning of another
    told = [json.dumps(one, ensure_ascii=False)[1:-1] for one in texts if len(one) >= SHORTEST]
    forms = [*(proof.word(one.encode()).decode() for one in found.ids), *map(re.escape, told)]
    pattern = re.compile("|".join(forms))
    for name in store.part_names("runs"):
        before = store.read("runs", name)
        after = before.with_columns(
            pl.Series(column, [value and pattern.sub(_blanked, value) for value in before[column]], dtype=pl.String())
            for column in ("arguments", "counts")
        )
        if not after.equals(before):
            found.rows["runs"] = found.rows.get("runs", 0) + 1
            store.replace("runs", name, after)


def _blanked(match: re.Match[str]) -> str:
    return f'"{_BLANK}"' if match[0].startswith('"') else _BLANK


def _clean(trail: Trail, tweet_ids: Collection[str]) -> None:
    """The trail without the lines of these tweets; removed when it holds nothing, or nothing is left to explain."""
    trail.drop(tweet_ids)
    if not trail.lines:
        trail.remove()
