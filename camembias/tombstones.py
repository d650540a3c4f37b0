"""Tombstones: salted hashes of forgotten tweets, which every write of the store looks at.

A tweet that is delivered again meets its tombstone and is not stored again. The hash hides the id from a reader of the
store, not from somebody who has both the store's salt and a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from camembias.store import Store

TABLE = "tombstones"
_FORMS = tuple(map(re.compile, (r"\w+", r"[\w-]+", r"""[^\s,;:"'{}\[\]]+""")))


def name_of(store: Store, tweet_id: str) -> str:
    return store.hashed(f"forgotten\0{tweet_id}")


def forgotten(store: Store, tweet_ids: Iterable[str | None]) -> set[str]:
    """Those of the ids that are forgotten."""
    names = set(store.part_names(TABLE))
    if not names:  # the usual case costs a look at a folder
        return set()
    return {one for one in tweet_ids if one is not None and name_of(store, one) in names}


def without(store: Store, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that may be stored: none of a forgotten tweet, and no refused input row that names one."""
    if "tweet_id" in rows.columns:
        if gone := forgotten(store, rows["tweet_id"].unique()):
            return rows.filter(~pl.col("tweet_id").is_in(gone))
    elif table == "rejects" and store.part_names(TABLE):
        named = [named_in(raw) for raw in rows["raw"]]
        gone = forgotten(store, set[str]().union(*named))
        return rows.filter(pl.Series([gone.isdisjoint(ids) for ids in named], dtype=pl.Boolean()))
    return rows


def named_in(raw: str | None) -> set[str]:
    """Whatever in a refused input row could be an id."""
    return {found for form in _FORMS for found in form.findall(raw or "")}
