"""Tweets of the stream that people labelled by hand, so that the shares can be corrected.

`camembias query tweets_to_code --out to_code.csv` draws them, with a column `label` to fill in.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from camembias import catalog, spreadsheets
from camembias.errors import InputError
from camembias.schemas import TABLES

if TYPE_CHECKING:
    from camembias.store import Store

_PART = "current"
_NEEDED = ("tweet", "label")


def read(path: Path) -> pl.DataFrame:
    """tweet (its key in `tweets_to_code`), label, of every row with a label. Raises InputError."""
    rows = spreadsheets.read(path, _NEEDED, "tweets labelled by hand").select(_NEEDED).drop_nulls("label")
    named = rows.drop_nulls("tweet").filter(pl.col("tweet").str.contains(r"^t[0-9a-f]{12}$"))
    if named.height < rows.height:
        wrong = rows.join(named, on=list(_NEEDED), how="anti", nulls_equal=True)["tweet"][0]
        raise InputError(f"'{path}': '{wrong}' names no tweet; keep the column `tweet` as tweets_to_code writes it")
    if named["tweet"].is_duplicated().any():
        raise InputError(f"'{path}': tweet '{named.filter(named['tweet'].is_duplicated())['tweet'][0]}' stands twice")
    return named.with_columns(pl.col("label").map_elements(lambda one: unicodedata.normalize("NFC", one), pl.String()))


def put(store: Store, rows: pl.DataFrame) -> int:
    """Replace the store's tweets labelled by hand by `rows`, as `read` gives them; returns how many are classified.

    Raises InputError, and keeps what is there, when there are rows and none is of a classified tweet.
    """
    keys = ", ".join(f"'{key}'" for key in rows["tweet"]) or "NULL"
    sql = "SELECT tweet_id, coding_key(tweet_id) AS tweet FROM (SELECT DISTINCT tweet_id FROM predictions)"
    found = rows.join(catalog.run_sql(store, f"{sql} WHERE coding_key(tweet_id) IN ({keys})"), on="tweet")
    if rows.height and found.is_empty():
        raise InputError(
            f"none of the {rows.height} tweets labelled by hand is classified in '{store.root}'; give the table that "
            "tweets_to_code of this store made"
        )
    store.write("coded", _PART, found.select(*TABLES["coded"]))
    return found.height
