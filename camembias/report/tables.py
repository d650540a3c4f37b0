"""Answers of named queries, and tables made of them: what the template prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from camembias import catalog, sqlfiles
from camembias.report.wording import Wording
from camembias.sqlfiles import Query
from camembias.store import Store

ALL = str(2**62)


@dataclass(frozen=True, slots=True)
class Answer:
    """A named query, the values it was asked with, and its rows."""

    query: Query
    values: dict[str, str | None]
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; `numeric` says which columns align right. The first column names the row."""

    caption: str
    columns: list[str]
    numeric: list[bool]
    rows: list[list[str]]


def ask(store: Store, name: str, **values: str) -> Answer:
    query = sqlfiles.query(name)
    shown = {param.name: values.get(param.name, param.default) for param in query.params}
    return Answer(query, shown, catalog.run_query(store, query, values))


def table(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    caption: str,
    say: Wording,
    shares: Sequence[str] = (),
) -> Table:
    """Of `columns` only, in that order. `interval` is made of low and high; `shares` are printed as percentages."""
    found = list(rows)
    cells = [[_cell(row, name, say, name in shares, bool(shares)) for name in columns] for row in found]
    numeric = [name == "interval" or any(_is_number(row.get(name)) for row in found) for name in columns]
    return Table(caption, [say.column(name) for name in columns], numeric, cells)


def _cell(row: Mapping[str, Any], name: str, say: Wording, share: bool, shares: bool) -> str:
    if name == "interval":
        return say.interval(row["low"], row["high"], shares)
    value = row.get(name)
    return say.percent(value) if share and value is not None else say.cell(name, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
