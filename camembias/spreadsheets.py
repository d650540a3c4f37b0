"""Tables that people fill in with a spreadsheet and give back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from camembias import files
from camembias.errors import InputError


def read(path: Path, needed: Sequence[str], what: str) -> pl.DataFrame:
    """All columns as text, empty cells null. `what` the table holds is told where it cannot be read: raises InputError.

    Semicolons and Windows' own letters are read, too: a French spreadsheet writes both.
    """
    try:
        body = path.read_bytes()
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", "replace")
        separator = files.delimiter(text.partition("\n")[0])
        rows = pl.read_csv(text.encode(), infer_schema=False, separator=separator)
    except (OSError, pl.exceptions.PolarsError) as err:
        raise InputError(f"'{path}' is no CSV of {what} ({err}); give columns {', '.join(needed)}") from err
    if missing := [name for name in needed if name not in rows.columns]:
        raise InputError(f"'{path}' has no column {', '.join(missing)}; it has {', '.join(rows.columns)}")
    return rows.with_columns(pl.all().str.strip_chars().replace("", None))
