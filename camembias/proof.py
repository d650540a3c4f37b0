"""Looks for tweets in every byte of a store: in each file as it lies there, and in what Parquet and DuckDB compress.

It knows file formats, by their first bytes since a user may name a file as they like, and nothing of tables: what it
finds is there, wherever somebody forgot to look.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path

import polars as pl

from camembias import catalog

_SURE = 8  # bytes; a shorter needle is found in compressed bytes by chance
_WORDS = ("word", "words", "companions", "replacement", "label")  # columns of these: `50` is a word there, and no id
_BEFORE = rb"(?:(?<!\w)|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4}))"  # a word begins here, or behind an escape of JSON


@dataclass(slots=True)
class Search:
    """`places`: file and where in it, of every hit. `bytes`: what was looked at, decompressed."""

    files: int = 0
    bytes: int = 0
    places: list[str] = field(default_factory=list)


# The bytes of an id or text, and the pattern that they are part of: looking for bytes is many times quicker.
Needles = tuple[tuple[bytes, re.Pattern[bytes]], ...]


@dataclass(frozen=True, slots=True)
class _Forms:
    """What is looked for: as it is; as JSON writes it; and of both what is too long to be something else by chance."""

    plain: Needles
    escaped: Needles
    sure: Needles
    sure_escaped: Needles


def word(tweet_id: bytes) -> bytes:
    """A pattern that finds an id in JSON or plain text: `1234567890` not in `12345678901`, and `12` only as `"12"`."""
    whole = re.escape(tweet_id)
    return b'"' + whole + b'"' if len(tweet_id) < _SURE else _BEFORE + whole + rb"(?!\w)"


def search(root: Path, ids: Collection[str], texts: Collection[str]) -> Search:
    """Look through every file below `root`, a folder or a file: ids as whole words, texts anywhere."""
    plain, found = _needles([one.encode() for one in ids], [one.encode() for one in texts]), Search()
    escaped = _needles(map(_escaped, ids), map(_escaped, texts))
    sure = (tuple(one for one in needles if len(one[0]) >= _SURE) for needles in (plain, escaped))
    forms = _Forms(plain, escaped, *sure)
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if not path.is_file():
            continue
        found.files += 1
        name = str(path.relative_to(root)) if path != root else path.name
        unfinished = path != root and path.suffix == ".tmp"  # a job may be writing it: it cannot be unpacked
        for where, body, needles in _bodies(path, forms, not unfinished):
            found.bytes += len(body)
            if (
                any(body.find(one) >= 0 and form.search(body) for one, form in needles)
                and name + where not in found.places
            ):
                found.places.append(name + where)
    return found


def _needles(ids: Iterable[bytes], texts: Iterable[bytes]) -> Needles:
    pairs = [*((one, word(one)) for one in ids), *((one, re.escape(one)) for one in texts)]
    return tuple((one, re.compile(form)) for one, form in pairs)


def _bodies(path: Path, forms: _Forms, unpack: bool) -> Iterator[tuple[str, bytes | mmap, Needles]]:
    """(where in the file, bytes, what to look for in them)."""
    with path.open("rb") as handle:
        head = handle.read(12)
        parquet, database = head.startswith(b"PAR1"), catalog.is_database(head)
        if unpack and (parquet or database):  # these may be larger than the memory
            with mmap(handle.fileno(), 0, access=ACCESS_READ) as whole:
                yield "", whole, forms.sure
    if unpack and parquet:
        for column in pl.read_parquet(path, glob=False).iter_columns():
            needles = forms.sure_escaped if column.name in _WORDS else forms.escaped
            yield f": {column.name}", _lines(column.to_frame()), needles
    elif unpack and database:
        for table, frame in catalog.tables_of(path):
            words = [name for name in _WORDS if name in frame.columns]
            yield f": {table}", _lines(frame.drop(words)), forms.escaped
            yield f": {table}", _lines(frame.select(words)), forms.sure_escaped
    else:
        body = path.read_bytes()
        yield "", body, forms.plain
        yield "", body, forms.escaped  # JSON, and what the scripts of a page hold
        if unpack:
            yield "", html.unescape(body.decode("utf-8", "replace")).encode(), forms.plain


def _lines(frame: pl.DataFrame) -> bytes:
    return frame.write_ndjson().encode()


def _escaped(value: str) -> bytes:
    """As `_lines` writes it."""
    return _lines(pl.DataFrame({"x": [value]}))[6:-3]
