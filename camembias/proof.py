"""Looks for tweets in every byte of a store: in each file as it lies there, and in what Parquet and DuckDB compress.

It knows file formats, and nothing of tables: what it finds is there, wherever somebody forgot to look.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from camembias import catalog

_SURE = 8  # bytes; a shorter needle is found in compressed bytes by chance
_BEFORE = rb"(?:(?<!\w)|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4}))"  # a word begins here, or behind an escape of JSON


@dataclass(slots=True)
class Search:
    """`places`: file and where in it, of every hit. `bytes`: what was looked at, decompressed."""

    files: int = 0
    bytes: int = 0
    places: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Needles:
    """Tweet ids, found as whole words (short ones as whole strings), and texts, found anywhere."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]

    def pattern(self, shortest: int = 0, escaped: bool = False) -> re.Pattern[bytes] | None:
        """Of the needles of at least so many bytes; None when there are none."""
        ids = [one for name in self.ids if len(one := _bytes(name, escaped)) >= shortest]
        texts = [one for text in self.texts if len(one := _bytes(text, escaped)) >= shortest]
        forms = [*map(word, ids), *map(re.escape, texts)]
        return re.compile(b"|".join(forms)) if forms else None


def word(tweet_id: bytes) -> bytes:
    """A pattern that finds an id in JSON or plain text: `1234567890` not in `12345678901`, and `12` only as `"12"`."""
    whole = re.escape(tweet_id)
    return b'"' + whole + b'"' if len(tweet_id) < _SURE else _BEFORE + whole + rb"(?!\w)"


def search(root: Path, ids: Collection[str], texts: Collection[str]) -> Search:
    """Look through every file below `root`, a folder or a file."""
    needles, found = Needles(tuple(sorted(ids)), tuple(sorted(texts))), Search()
    plain, sure = needles.pattern(escaped=True), needles.pattern(_SURE)
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if not path.is_file():
            continue
        found.files += 1
        name = str(path.relative_to(root)) if path != root else path.name
        for where, body, pattern in _bodies(path, plain, sure, needles.pattern()):
            found.bytes += len(body)
            if pattern and pattern.search(body) and f"{name}{where}" not in found.places:
                found.places.append(f"{name}{where}")
    return found


def _bodies(
    path: Path, decoded: re.Pattern[bytes] | None, sure: re.Pattern[bytes] | None, all_: re.Pattern[bytes] | None
) -> Iterator[tuple[str, bytes, re.Pattern[bytes] | None]]:
    body = path.read_bytes()
    if path.suffix == ".parquet":
        yield "", body, sure
        for column in pl.read_parquet(body).iter_columns():
            yield f": {column.name}", _lines(column.to_frame()), decoded
    elif path.suffix == ".duckdb":
        yield "", body, sure
        for table, frame in catalog.tables_of(path):
            yield f": {table}", _lines(frame), decoded
    elif path.suffix == ".html":
        yield "", html.unescape(body.decode("utf-8", "replace")).encode(), all_
        yield "", body, decoded  # what its scripts hold
    else:
        yield "", body, all_
        yield "", body, decoded  # JSON


def _lines(frame: pl.DataFrame) -> bytes:
    return frame.write_ndjson().encode()


def _bytes(value: str, escaped: bool) -> bytes:
    """As it is, or as `_lines` writes it."""
    return _lines(pl.DataFrame({"x": [value]}))[6:-3] if escaped else value.encode()
