"""One row of a table as a tweet, or the reason why it is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from batch.sources import Source
from camembias.columns import first_filled, guesses, named, rounded_id
from camembias.lines import TEXT_LIMIT

ID_LIMIT = 128  # characters

_TIMES = (  # beside ISO 8601
    "%a %b %d %H:%M:%S %z %Y",  # "Wed Oct 10 20:19:24 +0000 2018", as the old API wrote
    *("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y"),  # as a French spreadsheet does: the day comes first
)
_EPOCH = re.compile(r"[12]\d{9}(\d{3})?")  # seconds, or milliseconds, between 2001 and 2065


@dataclass(frozen=True, slots=True)
class Tweet:
    tweet_id: str
    text: str
    author: str | None
    created_at: datetime | None
    line: int


@dataclass(frozen=True, slots=True)
class Roles:
    """Columns that say each thing; the first one that is not empty in a row does."""

    text: tuple[str, ...]
    id: tuple[str, ...]
    author: tuple[str, ...]
    time: tuple[str, ...]

    @property
    def all(self) -> set[str]:
        return {*self.text, *self.id, *self.author, *self.time}


@lru_cache(1024)  # objects of a stream have few sets of keys
def roles(source: Source, names: tuple[str, ...]) -> Roles:
    """Of a table with these columns: as named by the user, else as guessed. The text is guessed to be in one column."""
    return Roles(
        source.text_columns or guesses("text", names)[:1],
        (source.id_column,) if source.id_column else guesses("id", names),
        (source.author_column,) if source.author_column else guesses("author", names),
        (source.time_column,) if source.time_column else guesses("time", names),
    )


def to_tweet(row: Mapping[str, Any], source: Source, line: int) -> Tweet | str:
    columns = roles(source, tuple(row))
    tweet_id = first_filled(row, columns.id)
    if why := _bad_id(tweet_id):
        return why
    text = next((found for name in columns.text if isinstance(found := row.get(name), str) and found.strip()), "")
    if not text:
        return "no text"
    if len(text) > TEXT_LIMIT:
        return f"text of {len(text)} characters; no tweet has over {TEXT_LIMIT}"
    if not (_encodable(text) and _encodable(str(tweet_id))):
        return f"not {source.encoding or 'UTF-8'}: say what it is with --encoding, as cp1252"
    author = named(first_filled(row, columns.author))
    return Tweet(
        str(tweet_id).strip(), text, author and printable(author), _time(first_filled(row, columns.time)), line
    )


def printable(raw: str) -> str:
    """`raw` as it can be stored: bytes that were not UTF-8 become question marks."""
    return raw if raw.isascii() else raw.encode("utf-8", "replace").decode("utf-8")


def _bad_id(tweet_id: Any) -> str | None:
    if tweet_id is None:
        return "no id"
    if rounded_id(tweet_id):
        return f"id {tweet_id!r:.60} is a rounded number: export ids as text"
    if isinstance(tweet_id, bool) or not isinstance(tweet_id, int | str):
        return f"id is neither text nor a whole number: {tweet_id!r:.60}"
    if isinstance(tweet_id, str) and len(tweet_id) > ID_LIMIT:
        return f"id of {len(tweet_id)} characters; accepted: up to {ID_LIMIT}"
    return None


def _encodable(value: str) -> bool:
    """False for lone surrogates, which is what bytes that are not UTF-8 were read as."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _time(value: Any) -> datetime | None:
    """UTC. An unreadable time loses a time slice, not a tweet."""
    try:
        if isinstance(value, str | int):
            value = _parsed(str(value).strip())
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parsed(value: str) -> datetime:
    if _EPOCH.fullmatch(value):
        return datetime.fromtimestamp(int(value) / (1000 if len(value) > 10 else 1), UTC)
    with suppress(ValueError):
        return datetime.fromisoformat(value)
    for form in _TIMES[:-1]:
        with suppress(ValueError):
            return datetime.strptime(value, form)
    return datetime.strptime(value, _TIMES[-1])
