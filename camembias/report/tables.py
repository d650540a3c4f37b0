"""Answers of named queries, and tables made of them: what the template prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    points: Sequence[str] = (),
) -> Table:
    """Of `columns` only, in that order. `shares` are printed as percentages, `points` as differences of them.

    `interval` is made of low and high, which are of the points, where there are any, or else of the shares.
    """
    found = list(rows)
    end = say.points if points else say.percent if shares else say.number
    ways = {**dict.fromkeys(shares, say.percent), **dict.fromkeys(points, say.points)}
    cells = [[_cell(row, name, say, ways.get(name), end) for name in columns] for row in found]
    numeric = [name == "interval" or any(_is_number(row.get(name)) for row in found) for name in columns]
    return Table(caption, [say.column(name) for name in columns], numeric, cells)


def _cell(
    row: Mapping[str, Any], name: str, say: Wording, way: Callable[[float], str] | None, end: Callable[[float], str]
) -> str:
    if name == "interval":
        return say.interval(row["low"], row["high"], end)
    value = row.get(name)
    return way(value) if way and value is not None else say.cell(name, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
