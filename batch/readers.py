"""Reads sources of tweets in chunks of rows, each row with its line, and says of every row it cannot use why.

CSV and NDJSON are read line by line in Python: a reader that names the line of a bad row matters more here than
speed, which the model sets (decision 0014). Parquet is sliced by polars, a few columns and rows at a time.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TextIO, cast

import polars as pl

from batch.lines import TOO_LONG, file_lines, stream_lines
from batch.rows import Roles, Tweet, printable, roles, to_tweet
from batch.sources import STDIN, SUFFIXES, Source
from camembias import files
from camembias.columns import GUESSES
from camembias.errors import InputError
from camembias.lines import LINE_LIMIT, Lines, csv_records

READER_VERSION = 3
CHUNK_ROWS = 4096
CHUNK_CHARACTERS = 4_000_000  # a chunk of long texts ends behind them: tokenising takes about 40 bytes of memory each
FLUSH_S = 3.0  # a chunk of a stream is not held back longer than this for want of rows
_RAW = 500  # characters of a refused row that are kept
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Chunk:
    """`rows_in` input rows starting with number `first_row`: the usable ones, and (line, reason, raw) of the rest."""

    first_row: int
    rows_in: int = 0
    characters: int = 0  # of the usable rows' texts
    tweets: list[Tweet] = field(default_factory=list)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)

    def refuse(self, line: int, reason: str, raw: str) -> None:
        self.rejects.append((line, reason, printable(raw[:_RAW])))


Row = dict[str, Any]
Raw = str | Sequence[str]  # the row as it was read: text, or the fields of a record
Record = tuple[int, Row, str, Raw]  # line, row, why it is refused, raw


def chunks(source: Source) -> Iterator[Chunk]:
    """Chunks in order; the last may be short. A stream also gives short ones, every FLUSH_S, and empty ones while it
    waits.

    Raises InputError for a missing or empty file, one that is no table, or a missing column. For a file that cannot
    be read to its end, the rows before that point come first.
    """
    check(source)
    chunk, rows, began, broken = Chunk(0), 0, time.monotonic(), None
    streams = source.path == STDIN
    records = _records(source)
    while True:
        try:
            record = next(records, _END)
        except (OSError, EOFError, UnicodeError, zlib.error, pl.exceptions.PolarsError) as err:
            record, broken = _END, err
        if record is _END:
            break
        full = chunk.rows_in == CHUNK_ROWS or chunk.characters >= CHUNK_CHARACTERS
        if full or (streams and _due(record, chunk, began)):
            yield chunk
            chunk, began = Chunk(rows), time.monotonic()
        if record is None:
            continue
        rows += 1
        chunk.rows_in += 1
        _add(chunk, cast(Record, record), source)
    if chunk.rows_in:
        yield chunk
    if broken is not None:
        raise InputError(
            f"'{source.path}' cannot be read after row {rows}: {' '.join(str(broken).split())[:160]}"
        ) from broken
    if rows == 0 and not streams:
        raise InputError(f"'{source.path}' has a header but no rows; expected a table of tweets")


_END = object()


def check(source: Source) -> None:
    """Look at the header only, so that a mistake is told before the first tweet is scored. Raises InputError."""
    if source.text_column is not None and not source.text_columns:
        raise InputError(f"--text-column '{source.text_column}' names no column; give one, or several: full_text,text")
    if source.path == STDIN:
        return
    if not source.path.is_file():
        raise InputError(f"no file '{source.path}'; give CSV, TSV, NDJSON or Parquet, plain or .gz")
    if source.path.stat().st_size == 0:
        raise InputError(f"'{source.path}' is empty; expected a table of tweets")
    if source.kind not in SUFFIXES:
        raise InputError(f"'{source.path}' ends in '{source.kind}'; accepted: {' '.join(SUFFIXES)}, text also as .gz")
    try:
        if source.kind == ".parquet":
            _required(source, list(pl.read_parquet_schema(source.path)))
            return
        if source.kind in (".csv", ".tsv", ".txt"):
            next(_csv(source), None)
    except (OSError, EOFError, UnicodeError, zlib.error, pl.exceptions.PolarsError) as err:
        raise InputError(f"'{source.path}' cannot be read: {' '.join(str(err).split())[:160]}") from err


def _due(record: object, chunk: Chunk, began: float) -> bool:
    """Time to give a stream's chunk away; an empty one when there is nothing to read, so that the caller wakes up."""
    return (record is None and chunk.rows_in == 0) or time.monotonic() - began > FLUSH_S


def _add(chunk: Chunk, record: Record, source: Source) -> None:
    line, row, problem, raw = record
    tweet = problem or to_tweet(row, source, line)
    if isinstance(tweet, Tweet):
        chunk.tweets.append(tweet)
        chunk.characters += len(tweet.text)
    else:
        chunk.refuse(line, tweet, raw if isinstance(raw, str) else ",".join(raw))


def _records(source: Source) -> Iterator[Record | None]:
    if source.kind == ".parquet":
        return _parquet(source)
    return _ndjson(source) if source.kind in (".ndjson", ".jsonl") else _csv(source)


def _open(source: Source) -> BinaryIO:
    return cast(BinaryIO, gzip.open(source.path, "rb") if source.gzipped else source.path.open("rb"))


@contextmanager
def _text(source: Source) -> Iterator[TextIO]:
    with _open(source) as binary:
        encoding = source.encoding or ("utf-16" if binary.read(2) in _UTF16 else "utf-8")
        binary.seek(0)
        if codecs.lookup(encoding).name == "utf-8":
            encoding = "utf-8-sig"  # a byte order mark is no part of the first column's name
        # surrogateescape keeps undecodable bytes visible, so that only their row is refused
        yield io.TextIOWrapper(binary, encoding=encoding, errors="surrogateescape", newline="")


def _csv(source: Source) -> Iterator[Record]:
    with _text(source) as text:
        delimiter = "\t" if source.kind == ".tsv" else files.delimiter(text.readline(LINE_LIMIT))
        text.seek(0)
        lines = Lines(text)
        records = csv_records(lines, delimiter)
        _, header, problem = next(records, (1, [], ""))
        if header is None:
            raise InputError(f"'{source.path}' is no CSV: {problem}")
        columns = _required(source, header).all
        places = {name: place for place, name in enumerate(header) if name in columns}
        for line, values, problem in records:
            if values is None:
                yield line, {}, problem, lines.record[0] if lines.record and lines.record[0] else ""
            elif len(values) != len(header):
                yield line, {}, f"{len(values)} fields, the header has {len(header)}", values
            else:
                yield line, {name: values[place] for name, place in places.items()}, "", values


def _ndjson(source: Source) -> Iterator[Record | None]:
    if source.path == STDIN:
        yield from _objects(stream_lines(0, wait_s=1.0))
        return
    with _text(source) as text:
        yield from _objects(file_lines(text))


def _objects(lines: Iterator[str] | Iterator[str | None]) -> Iterator[Record | None]:
    number = 0
    for raw in lines:
        if raw is None:
            yield None
            continue
        number += 1
        if raw == TOO_LONG:
            yield number, {}, f"line longer than {LINE_LIMIT} characters", ""
            continue
        if not raw.strip():
            continue
        try:
            row = json.loads(raw)
        except (ValueError, RecursionError) as err:
            yield number, {}, f"not JSON: {err}", raw
            continue
        yield (number, row, "", raw) if isinstance(row, dict) else (number, {}, "not a JSON object", raw)


def _parquet(source: Source) -> Iterator[Record]:
    frame = pl.scan_parquet(source.path)
    names = frame.collect_schema().names()
    found = _required(source, names)
    columns, start = [name for name in names if name in found.all], 0
    while len(part := frame.select(columns).slice(start, CHUNK_ROWS).collect()):
        for offset, row in enumerate(part.iter_rows(named=True)):
            told = (*found.id, found.text[-1])
            yield start + offset + 1, row, "", " ".join(str(row[name]) for name in told)[:_RAW]
        start += len(part)


def _required(source: Source, header: Sequence[str]) -> Roles:
    """What its columns say. Raises InputError where one that was named is not there, or there is no text or id."""
    found = roles(source, tuple(header))
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in ", ".join(header)[:200])
    named = (*source.text_columns, source.id_column, source.author_column, source.time_column)
    for name in named if found.text else ("text", *named):
        if name is not None and name not in header:
            options = "--text-column, --id-column, --author-column, --time-column"
            raise InputError(f"'{source.path}' has no column '{name}'; it has: {shown}. Name it: {options}")
    if not found.id:
        raise InputError(f"'{source.path}' has no id column ({', '.join(GUESSES['id'])}); name it: --id-column")
    return found
