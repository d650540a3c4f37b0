"""A reviewer's decisions on words and labels, kept in a table that people edit, and read by the verdict.

`camembias query verdicts --format csv --out review.csv` makes such a table, with a column `decision` to
fill in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from camembias import spreadsheets
from camembias.errors import InputError
from camembias.schemas import TABLES
from camembias.text import as_word

if TYPE_CHECKING:
    from camembias.store import Store

ACCEPTED = ("bias", "expected", "unsure")
_IN_FRENCH = {"biais": "bias", "attendu": "expected", "incertain": "unsure"}  # as the French report says them
_PART = "current"
_NEEDED = ("word", "label", "decision")


def read(path: Path) -> pl.DataFrame:
    """word, label, decision, note, reviewer of every row with a decision. Raises InputError.

    A quote that the CSV export put before a word like `@compte`, so that no spreadsheet runs it, is taken off again.
    """
    rows = spreadsheets.read(path, _NEEDED, "decisions")
    schema = TABLES["decisions"]
    rows = rows.with_columns(pl.lit(None, pl.String()).alias(name) for name in schema if name not in rows.columns)
    made = rows.select(*schema).with_columns(
        pl.col("word").str.replace(r"^'([=+\-@])", "$1").map_elements(_counted, pl.String()),
        pl.col("decision").str.to_lowercase().replace(_IN_FRENCH),
    )
    made = made.filter(pl.col("decision").is_not_null())
    for row in made.iter_rows(named=True):
        if row["decision"] not in ACCEPTED:
            raise InputError(f"'{path}': decision '{row['decision']}' on '{row['word']}'; write {', '.join(ACCEPTED)}")
        if row["word"] is None or row["label"] is None:
            raise InputError(f"'{path}': a decision '{row['decision']}' names no word or no label")
    twice = made.filter(pl.struct("word", "label").is_duplicated())
    if twice.height:
        raise InputError(f"'{path}': two decisions on '{twice['word'][0]}' for '{twice['label'][0]}'; keep one")
    return made


def _counted(word: str) -> str:
    return as_word(word) or word


def put(store: Store, path: Path) -> int:
    """Replace the store's decisions by those of a file; returns their number."""
    rows = read(path)
    store.write("decisions", _PART, rows)
    return rows.height
