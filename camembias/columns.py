"""What the columns of a table of tweets are called, where nobody says, and what a cell says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

GUESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text", "full_text", "tweet", "texte", "content", "contenu"),
    "label": ("label", "topic", "category", "class", "classe", "étiquette", "etiquette", "thème", "theme", "catégorie"),
    "id": ("tweet_id", "id", "id_str"),
    "author": ("author", "username", "author_id", "screen_name", "user_screen_name", "user", "auteur", "compte"),
    "time": ("created_at", "datetime", "date", "timestamp", "created", "time", "local_time", "date_heure"),
}

_ROUNDED = re.compile(r"[+-]?\d+(?:[.,]\d+[eE]\+?|[eE]\+)\d+")  # no handle holds a point or a plus
_ROUNDED_ID = re.compile(r"[+-]?\d*[.,]\d*(?:[eE][+-]?\d+)?|[+-]?\d+[eE]\+?\d+")  # of a tweet
_EXACT = 2**53  # whole numbers below it are exact as floats


def guesses(role: str, names: Iterable[str]) -> tuple[str, ...]:
    """The columns among `names` that may play the role, the likeliest first."""
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(name.strip().lower(), []).append(name)
    return tuple(name for guess in GUESSES[role] for name in sorted(known.get(guess, ()), reverse=True))


def guess(role: str, names: Iterable[str]) -> str | None:
    return next(iter(guesses(role, names)), None)


@lru_cache
def alternatives(names: str) -> tuple[str, ...]:
    """The columns that `full_text, text` names."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


def first_filled(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first value of these columns that is not empty; None when there is none. Blanks and NaN are empty."""
    for name in names:
        value = row.get(name)
        if value is not None and value == value and not (isinstance(value, str) and not value.strip()):
            return value
    return None


def named(value: Any) -> str | None:
    """What a cell calls somebody or something; None where it names nothing.

    A float names what its whole number does, as pandas makes of whole numbers beside gaps. One that was rounded, from
    2^53 on or written as 1.2e18, would stand for many, and an object is no name.
    """
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) < _EXACT
        return str(int(value)) if whole else None
    if isinstance(value, str):
        return None if _ROUNDED.fullmatch(value.strip()) else value
    return str(value) if isinstance(value, int) else None


def rounded_id(value: Any) -> bool:
    """Whether a tweet's id went through a program that made a number of it, and so may stand for many."""
    return isinstance(value, float) or (isinstance(value, str) and _ROUNDED_ID.fullmatch(value.strip()) is not None)
