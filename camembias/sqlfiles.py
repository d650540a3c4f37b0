"""Finds the folder `sql/` and reads the headers of its files. Runs nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from camembias.errors import QueryError

_HEADER = re.compile(r"^--\s*(name|question|unit|caveat|param|columns):\s*(.+?)\s*$")
_PARAM = re.compile(r"^(?P<name>\w+)\s*=\s*(?P<default>.+?)\s+--\s+(?P<meaning>.+)$")


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    default: str | None  # None: SQL NULL
    meaning: str


@dataclass(frozen=True, slots=True)
class Query:
    """One named question. `sql` is the whole file: the header travels with it."""

    name: str
    question: str
    unit: str
    caveat: str
    params: tuple[Param, ...]
    columns: tuple[str, ...]
    sql: str


def sql_folder() -> Path:
    """`CAMEMBIAS_SQL`, else the folder beside the package: camembias is an application, run from its clone or image."""
    folder = Path(os.environ.get("CAMEMBIAS_SQL") or Path(__file__).parent.parent / "sql")
    if not (folder / "schema").is_dir():
        raise QueryError(f"no SQL files at '{folder}'; set CAMEMBIAS_SQL to the folder 'sql' of the clone")
    return folder


def statements(kind: str) -> Iterator[tuple[str, str]]:
    """(file stem, SQL) of `schema`, `macros`, `views` or `checks`, in load order."""
    for path in sorted((sql_folder() / kind).glob("*.sql")):
        yield path.stem, path.read_text(encoding="utf-8")


def queries() -> dict[str, Query]:
    found = (parse(text) for _, text in statements("queries"))
    return {query.name: query for query in found}


def query(name: str) -> Query:
    known = queries()
    if name not in known:
        raise QueryError(f"no query '{name}'; there are: {', '.join(sorted(known))}")
    return known[name]


def parse(text: str) -> Query:
    """Read the comment lines at the head of a query file. Raises QueryError for a missing or malformed line."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if match := _HEADER.match(line):
            fields.setdefault(match[1], []).append(match[2])
    missing = [key for key in ("name", "question", "unit", "caveat", "columns") if key not in fields]
    if missing:
        raise QueryError(f"a query's header lacks: {', '.join(missing)}")
    return Query(
        name=fields["name"][0],
        question=fields["question"][0],
        unit=fields["unit"][0],
        caveat=fields["caveat"][0],
        params=tuple(_param(line) for line in fields.get("param", [])),
        columns=tuple(column.strip() for column in ",".join(fields["columns"]).split(",")),
        sql=text,
    )


def _param(line: str) -> Param:
    match = _PARAM.match(line)
    if match is None:
        raise QueryError(f"'{line}': a param line reads 'name = default -- meaning'")
    default = None if match["default"] == "NULL" else match["default"]
    return Param(match["name"], default, match["meaning"])
