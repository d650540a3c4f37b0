"""Concept words: what each label is about, so that finding them is no bias."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from camembias.errors import InputError
from camembias.schemas import TABLES
from camembias.text import as_word

if TYPE_CHECKING:
    from camembias.store import Store

_PART = "current"
SHIPPED = Path(__file__).parent / "concepts.toml"


def read(path: Path = SHIPPED) -> dict[str, list[str]]:
    """Label → its concept words, as they are counted, from a TOML file of `label = [words]`. Raises InputError."""
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise InputError(f'\'{path}\' is no concepts file ({err}); write one line a label: "avion" = ["vol"]') from err
    for label, words in body.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InputError(f"'{path}': '{label}' must be a list of words")
    return {label: [_counted(word, f"'{path}': '{word}' of '{label}'") for word in body[label]] for label in body}


def _counted(word: str, named: str) -> str:
    if (found := as_word(word)) is None:
        raise InputError(f"{named} is not one word; list its words one by one")
    return found


def put(store: Store, concepts: Mapping[str, Iterable[str]]) -> int:
    """Replace the store's concept words by these, label → words as `read` gives them; returns their number."""
    rows = [(label, word) for label, words in concepts.items() for word in words]
    store.write("concepts", _PART, pl.DataFrame(rows, schema=TABLES["concepts"], orient="row"))
    return len(rows)


def strange(store: Store, labels: Iterable[str]) -> list[str]:
    """Those that no model of the store has, perhaps misspelt; none where there is no model yet."""
    known = store.scan("models").select(pl.col("labels").explode()).collect()["labels"].unique().to_list()
    return sorted(set(labels) - set(known)) if known else []


def ensure(store: Store) -> None:
    """Put the shipped concept words into a store that has none."""
    if not store.has_part("concepts", _PART):
        put(store, read())
