"""Rows of tweet files as dictionaries: CSV, TSV, NDJSON, a JSON array or object, Parquet, or one text a line.

Each file may be gzipped, whatever its name says. Rows are streamed, except from JSON, which is one value. What a
row means (its text, its label) is not known here.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import polars as pl

from camembias import files
from camembias.errors import InputError
from camembias.lines import LINE_LIMIT, Lines, csv_records

KINDS = (".csv", ".tsv", ".ndjson", ".jsonl", ".json", ".parquet", ".txt")
Row = dict[str, Any]
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


def expand(paths: Path | Sequence[Path]) -> list[Path]:
    """Files, in order and once each. A folder gives its table files by name; a pattern gives what it matches.

    Raises InputError for a path that gives no file.
    """
    found: dict[Path, None] = {}
    for path in [paths] if isinstance(paths, Path) else paths:
        if path.is_dir():
            there: Iterable[Path] = filter(_is_table, path.iterdir())
        elif path.is_file():
            there = [path]
        else:
            there = path.parent.glob(path.name) if set("*?[") & set(path.name) else []
        files = sorted(there)
        if not files:
            raise InputError(f"no file '{path}'; give files, a folder or a pattern of {' '.join(KINDS)}, plain or .gz")
        found |= dict.fromkeys(files)
    return list(found)


def _is_table(path: Path) -> bool:
    """Of a file in a folder: hidden ones, and those without an ending (`_SUCCESS`), are left by other programs."""
    return path.is_file() and bool(path.suffix) and not path.name.startswith(".") and kind(path) in KINDS


def kind(path: Path) -> str:
    """The format by name, `.gz` aside; a name without an ending is taken for CSV."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return suffixes[-1] if suffixes else ".csv"


def rows(path: Path, encoding: str | None = None) -> Iterator[Row | None]:
    """The rows of one file; None for a row that cannot be read (broken JSON, another number of fields).

    Raises InputError for a file that is no table of its kind, cut short, or in another encoding.
    """
    form = kind(path)
    if form not in KINDS:
        raise InputError(f"'{path}' ends in '{form}'; accepted: {' '.join(KINDS)}, plain or .gz")
    try:
        if form == ".parquet":
            yield from _parquet(path)
            return
        with _text(path, encoding) as text:
            if form in (".ndjson", ".jsonl"):
                yield from _ndjson(text)
            elif form == ".json":
                yield from _json(text)
            elif form == ".txt":
                yield from ({"text": line.rstrip("\r\n")} for line in text)
            else:
                yield from _csv(text, form)
    except UnicodeDecodeError as err:
        guess = _guess(path)
        raise InputError(
            f"'{path}' is not {encoding or 'UTF-8'}; its bytes look like {guess}: pass --encoding {guess}"
        ) from err
    except (ValueError, OSError, EOFError, pl.exceptions.PolarsError) as err:
        raise InputError(f"'{path}' cannot be read as {form}: {' '.join(str(err).split())[:160]}") from err


def _text(path: Path, encoding: str | None) -> TextIO:
    files.known_encoding(encoding)
    with _binary(path) as binary:
        first = binary.read(2)
    if encoding is None:
        encoding = "utf-16" if first in _UTF16 else "utf-8-sig"
    elif codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"  # a byte order mark is no part of the first column's name
    return io.TextIOWrapper(_binary(path), encoding=encoding, newline="")


def _binary(path: Path) -> BinaryIO:
    with path.open("rb") as handle:
        zipped = handle.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if zipped else path.open("rb")


def _guess(path: Path) -> str:
    """cp1252 holds latin-1's printable characters and more, so it is named unless a byte is undefined in it."""
    with _binary(path) as binary:
        content = binary.read(1 << 24)
    return "latin-1" if set(content) & set(_NOT_IN_CP1252) else "cp1252"


def _csv(text: TextIO, form: str) -> Iterator[Row | None]:
    delimiter = "\t" if form == ".tsv" else files.delimiter(text.readline(LINE_LIMIT))
    text.seek(0)
    records = csv_records(Lines(text), delimiter)
    _, header, problem = next(records, (1, [], ""))
    if header is None:
        raise ValueError(problem)
    for _, values, _ in records:
        yield dict(zip(header, values, strict=True)) if values and len(values) == len(header) else None


def _ndjson(text: TextIO) -> Iterator[Row | None]:
    for line in text:
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield row if isinstance(row, dict) else None


def _json(text: TextIO) -> Iterator[Row]:
    body = json.load(text)
    if isinstance(body, list) and all(isinstance(row, dict) for row in body):
        yield from body
    elif isinstance(body, dict) and all(isinstance(row, dict) for row in body.values()):
        yield from ({"tweet_id": key, **row} for key, row in body.items())
    else:
        raise ValueError("expected an array of objects, or an object keyed by tweet id")


def _parquet(path: Path) -> Iterator[Row]:
    for batch in pl.scan_parquet(path).collect_batches(chunk_size=8192):
        yield from batch.iter_rows(named=True)
