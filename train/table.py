"""Reads labelled tweets: CSV, TSV, NDJSON, a JSON array, a JSON object keyed by id, or Parquet, plain or gzip."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from camembias.errors import InputError
from camembias.text import normalise, text_hash

FEWEST_PER_LABEL = 3  # one tweet for each of training, validation and test


@dataclass(frozen=True, slots=True)
class Columns:
    text: str = "text"
    label: str = "label"
    id: str | None = None
    author: str | None = None


@dataclass(slots=True)
class Labelled:
    """`rows`: tweet_id, text (normalised), label, author, duplicate_group. `dropped`: reason → number of rows."""

    rows: pl.DataFrame
    dropped: dict[str, int] = field(default_factory=dict)


def read(path: Path, columns: Columns, rename: Mapping[str, str] | None = None, drop: Iterable[str] = ()) -> Labelled:
    """Raises InputError for a missing file or column, an empty table, or a label with too few examples."""
    rename, drop = dict(rename or {}), set(drop)
    raw = _records(path)
    if not raw:
        raise InputError(f"'{path}' holds no rows; expected labelled tweets")
    id_column = columns.id or next((name for name in ("tweet_id", "id") if name in raw[0]), None)
    author_column = columns.author or next((name for name in ("author", "username") if name in raw[0]), None)
    for name in filter(None, (columns.text, columns.label, id_column, author_column)):
        if not any(name in row for row in raw):
            raise InputError(f"'{path}' has no column '{name}'; it has: {', '.join(raw[0])}")
    _refuse_unknown(path, {str(row.get(columns.label)) for row in raw}, [*rename, *drop])
    kept, dropped, seen = [], {"no text": 0, "no label": 0, "duplicate id": 0, "label dropped": 0}, set()
    for number, row in enumerate(raw):
        label = str(row.get(columns.label) or "").strip()
        label = rename.get(label, label)
        text = normalise(str(row.get(columns.text) or ""))
        tweet_id = str(row.get(id_column, number)) if id_column else str(number)
        if label in drop:
            dropped["label dropped"] += 1
        elif not label:
            dropped["no label"] += 1
        elif not text:
            dropped["no text"] += 1
        elif tweet_id in seen:
            dropped["duplicate id"] += 1
        else:
            seen.add(tweet_id)
            author = str(row.get(author_column) or "") if author_column else ""
            kept.append({"tweet_id": tweet_id, "text": text, "label": label, "author": author or None})
    if not kept:
        raise InputError(f"'{path}' holds no usable rows ({dropped}); check --label-column and --drop-label")
    rows = pl.DataFrame(kept, schema={name: pl.String() for name in ("tweet_id", "text", "label", "author")})
    _refuse_rare(rows)
    return Labelled(_group_duplicates(rows), {reason: count for reason, count in dropped.items() if count})


def _refuse_unknown(path: Path, known: set[str], named: list[str]) -> None:
    for label in named:
        if label not in known:
            raise InputError(f"'{path}' has no label '{label}'; it has: {', '.join(sorted(known))}")


def _refuse_rare(rows: pl.DataFrame) -> None:
    counts = rows["label"].value_counts().sort("label")
    if len(counts) < 2:
        raise InputError(f"only one label ('{counts['label'][0]}') is left; a classifier needs two")
    for label, count in counts.iter_rows():
        if count < FEWEST_PER_LABEL:
            raise InputError(
                f"label '{label}' has {count} example(s), fewer than {FEWEST_PER_LABEL}; "
                f"add tweets, or leave it out: --drop-label {label}"
            )


def _group_duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """A retweet and its source, or the same text twice, share a group: they must never straddle a split."""
    hashes = [text_hash(_unretweeted(text)) for text in rows["text"]]
    return rows.with_columns(pl.Series("duplicate_group", hashes).rank("dense").cast(pl.Int64).alias("duplicate_group"))


def _unretweeted(text: str) -> str:
    body = text.split(":", 1)[1] if text.startswith("RT @") and ":" in text else text
    return body.strip().lower()


def _records(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"no file '{path}'; name a CSV, TSV, NDJSON, JSON or Parquet file of labelled tweets")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")
    try:
        if kind == ".parquet":
            return pl.read_parquet(path).to_dicts()
        raw = gzip.decompress(path.read_bytes()) if suffixes[-1:] == [".gz"] else path.read_bytes()
        text = raw.decode("utf-8-sig")
        if not text.strip():
            raise InputError(f"'{path}' is empty; expected labelled tweets")
        if kind in (".ndjson", ".jsonl"):
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        if kind == ".json":
            return _json_rows(json.loads(text))
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if kind == ".tsv" else ","))
    except UnicodeDecodeError as err:
        raise InputError(f"'{path}' is not UTF-8 (byte {err.start}); save it as UTF-8 first") from err
    except (ValueError, OSError, csv.Error, pl.exceptions.PolarsError) as err:
        raise InputError(f"'{path}' cannot be read as {kind or '.csv'}: {' '.join(str(err).split())[:160]}") from err


def _json_rows(body: Any) -> list[dict[str, Any]]:
    if isinstance(body, list) and all(isinstance(row, dict) for row in body):
        return body
    if isinstance(body, dict) and all(isinstance(row, dict) for row in body.values()):
        return [{"tweet_id": key, **row} for key, row in body.items()]
    raise ValueError("expected an array of objects, or an object keyed by tweet id")
