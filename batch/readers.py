"""Reads tweet files in chunks of rows, each row with its line, and says of every row it cannot use why.

CSV and NDJSON are streamed line by line in Python: a reader that names the line of a bad row matters more here
than speed, which the model sets. Parquet is sliced lazily by polars.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from camembias.errors import InputError

READER_VERSION = 1
CHUNK_ROWS = 4096
_EDGE_BYTES = 1 << 20
csv_limit = 1 << 20  # characters in one field: beyond it a quote was left open

_IDS = ("tweet_id", "id", "id_str")
_AUTHORS = ("author", "username", "author_id")
_TIMES = ("created_at", "datetime", "date")


@dataclass(frozen=True, slots=True)
class Tweet:
    tweet_id: str
    text: str
    author: str | None
    created_at: datetime | None
    line: int


@dataclass(slots=True)
class Chunk:
    """`rows_in` input rows starting with number `first_row`: the usable ones, and (line, reason, raw) of the rest."""

    first_row: int
    rows_in: int = 0
    tweets: list[Tweet] = field(default_factory=list)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    path: Path
    text_column: str = "text"
    id_column: str | None = None

    @property
    def identity(self) -> str:
        """Size and both ends of the file: the same content under another name is the same source, and a file
        that has grown is a new one (whose tweets are de-duplicated by id)."""
        size = self.path.stat().st_size
        digest = hashlib.sha256(f"{size}\0{self.text_column}\0{self.id_column}".encode())
        with self.path.open("rb") as handle:
            digest.update(handle.read(_EDGE_BYTES))
            handle.seek(max(0, size - _EDGE_BYTES))
            digest.update(handle.read(_EDGE_BYTES))
        return digest.hexdigest()[:16]


def chunks(source: Source) -> Iterator[Chunk]:
    """Raises InputError for a missing or empty file, one that is no table, or a missing column."""
    if not source.path.is_file():
        raise InputError(f"no file '{source.path}'; give CSV, TSV, NDJSON or Parquet, plain or .gz")
    if source.path.stat().st_size == 0:
        raise InputError(f"'{source.path}' is empty; expected a table of tweets")
    chunk = Chunk(0)
    rows = 0
    try:
        for line, row, problem, raw in _records(source):
            if chunk.rows_in == CHUNK_ROWS:
                yield chunk
                chunk = Chunk(rows)
            rows += 1
            chunk.rows_in += 1
            tweet = None if problem else _tweet(row, source, line)
            if isinstance(tweet, Tweet):
                chunk.tweets.append(tweet)
            else:
                chunk.rejects.append((line, problem or tweet or "", raw[:500]))
    except (OSError, EOFError, pl.exceptions.PolarsError) as err:
        raise InputError(f"'{source.path}' cannot be read: {' '.join(str(err).split())[:160]}") from err
    if rows == 0:
        raise InputError(f"'{source.path}' has a header but no rows; expected a table of tweets")
    yield chunk


Record = tuple[int, dict[str, Any], str | None, str]  # line, row, reason it is refused, raw


def _records(source: Source) -> Iterator[Record]:
    suffixes = [suffix.lower() for suffix in source.path.suffixes]
    kind = next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), ".csv")
    if kind == ".parquet":
        yield from _parquet(source)
        return
    opener = gzip.open if suffixes[-1:] == [".gz"] else open
    with opener(source.path, "rb") as binary:
        # surrogateescape keeps undecodable bytes visible, so that only their row is refused
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")
        if kind in (".ndjson", ".jsonl"):
            yield from _ndjson(text)
        elif kind in (".csv", ".tsv", ".txt"):
            yield from _csv(text, source, "\t" if kind == ".tsv" else ",")
        else:
            raise InputError(
                f"'{source.path}' ends in '{kind}'; accepted: .csv .tsv .ndjson .jsonl .parquet, plain or .gz"
            )


def _csv(text: TextIO, source: Source, delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(csv_limit)
    reader = csv.reader(text, delimiter=delimiter)
    try:
        header = next(reader, [])
    except csv.Error as err:
        raise InputError(f"'{source.path}' is no CSV: {err}") from err
    _require(source, header)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error as err:
            yield line, {}, f"not CSV: {err}", ""
            continue
        if values is None:
            return
        if not values:
            continue  # a blank line is no row
        if len(values) != len(header):
            yield line, {}, f"{len(values)} fields, the header has {len(header)}", delimiter.join(values)
        else:
            yield line, dict(zip(header, values, strict=True)), None, delimiter.join(values)


def _ndjson(text: TextIO) -> Iterator[Record]:
    for line, raw in enumerate(text, start=1):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw)
        except (ValueError, RecursionError) as err:
            yield line, {}, f"not JSON: {err}", raw
            continue
        yield line, row if isinstance(row, dict) else {}, None if isinstance(row, dict) else "not a JSON object", raw


def _parquet(source: Source) -> Iterator[Record]:
    frame = pl.scan_parquet(source.path)
    _require(source, frame.collect_schema().names())
    wanted = [
        name
        for name in frame.collect_schema().names()
        if name in {source.text_column, source.id_column, *_IDS, *_AUTHORS, *_TIMES}
    ]
    start = 0
    while len(part := frame.select(wanted).slice(start, CHUNK_ROWS).collect()):
        for offset, row in enumerate(part.iter_rows(named=True)):
            yield start + offset + 1, row, None, str(row.get(source.text_column))
        start += len(part)


def _require(source: Source, header: list[str]) -> None:
    for name in filter(None, (source.text_column, source.id_column)):
        if name not in header:
            shown = ", ".join(header)[:200]
            raise InputError(
                f"'{source.path}' has no column '{name}'; it has: {shown}. Name it: --text-column, --id-column"
            )
    if source.id_column is None and not any(name in header for name in _IDS):
        raise InputError(f"'{source.path}' has no id column ({', '.join(_IDS)}); name it: --id-column")


def _tweet(row: dict[str, Any], source: Source, line: int) -> Tweet | str:
    """A tweet, or the reason why the row is none."""
    text, tweet_id = row.get(source.text_column), _first(row, (source.id_column,) if source.id_column else _IDS)
    if isinstance(tweet_id, float) or (isinstance(tweet_id, str) and "e+" in tweet_id.lower()):
        return f"id {tweet_id!r} is a rounded number: export ids as text"
    if tweet_id is None or str(tweet_id).strip() == "":
        return "no id"
    if not isinstance(text, str) or not text.strip():
        return "no text"
    for value in (text, str(tweet_id)):
        if any("\ud800" <= character <= "\udfff" for character in value):
            return "not UTF-8"
    author = _first(row, _AUTHORS)
    return Tweet(str(tweet_id).strip(), text, None if author is None else str(author), _time(_first(row, _TIMES)), line)


def _first(row: dict[str, Any], names: tuple[str | None, ...]) -> Any:
    return next((row[name] for name in names if name is not None and row.get(name) not in (None, "")), None)


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None  # an unreadable time loses a time slice, not a tweet
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
