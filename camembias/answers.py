"""Rows of DuckDB as polars can hold, show and write them. What has no like there, or no calendar day, is text."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from camembias.errors import QueryError

_UNLIKE = {"interval", "union", "bit", "bignum", "time with time zone", "geometry", "variant"}  # of DuckDB, to polars
_FIRST, _END = -719_162, 2_932_897  # days from 1970 to the year 1, and to the year 10000: those of Python
_DAY = {"ms": 86_400_000, "us": 86_400_000_000}  # nanoseconds reach no such year


def frame(connection: Any, relation: Any) -> pl.DataFrame:
    """All rows of a relation of this connection.

    An interval, a union or a string of bits becomes DuckDB's text, and so does a column of dates when one of them,
    infinite or before the year 1, would end whatever shows it. Raises QueryError for what polars does not take still.
    """
    try:
        return _frame(connection, relation)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as err:
        raise QueryError(f"a column has a type that cannot be read ({one_line(err)}); cast it to VARCHAR") from err


def one_line(err: BaseException) -> str:
    """What it says, without DuckDB's drawing of where in the SQL."""
    return " ".join(re.split(r"\n\s*LINE \d+: ", str(err))[0].split())[:500]


def _frame(connection: Any, relation: Any) -> pl.DataFrame:
    found: pl.DataFrame = _as_text(relation, [_unlike(dtype) for dtype in relation.types]).pl()
    outside = [not _in_calendar(column) for column in found]
    if any(outside):
        connection.register("answer", found)
        found = _as_text(connection.table("answer"), outside).pl()
        connection.unregister("answer")
    return found


def _as_text(relation: Any, columns: list[bool]) -> Any:
    """With these columns as DuckDB's text. By number: two may have one name."""
    if not any(columns):
        return relation
    names = ['"' + name.replace('"', '""') + '"' for name in relation.columns]
    cells = [f"CAST(#{at} AS VARCHAR)" if text else f"#{at}" for at, text in enumerate(columns, 1)]
    return relation.project(", ".join(f"{cell} AS {name}" for cell, name in zip(cells, names, strict=True)))


def _unlike(dtype: Any) -> bool:
    """A type that polars does not take, or that contains one; bytes are taken alone, but not written in a list."""
    if dtype.id not in ("list", "array", "struct", "map"):
        return dtype.id in _UNLIKE
    inner = [one for _, one in dtype.children if isinstance(one, type(dtype))]
    return any(one.id == "blob" or _unlike(one) for one in inner)


def _in_calendar(column: pl.Series) -> bool:
    """Whether Python has all of its dates."""
    dtype = column.dtype
    if isinstance(dtype, pl.List | pl.Array):
        return _in_calendar(column.explode())
    if isinstance(dtype, pl.Map):
        return _in_calendar(column.map.entries())
    if isinstance(dtype, pl.Struct):
        return all(map(_in_calendar, column.struct.unnest()))
    if not isinstance(dtype, pl.Date | pl.Datetime):
        return True
    day = _DAY.get(dtype.time_unit) if isinstance(dtype, pl.Datetime) else 1
    return day is None or bool(column.to_physical().is_between(_FIRST * day, _END * day, closed="left").all())
