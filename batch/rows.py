"""One row of a table as a tweet, or the reason why it is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from batch.sources import Source

TEXT_LIMIT = 1 << 17  # characters: nothing that long is a tweet
ID_LIMIT = 128  # characters

IDS = ("tweet_id", "id", "id_str")
AUTHORS = ("author", "username", "author_id")
TIMES = ("created_at", "datetime", "date")

_ROUNDED = re.compile(r"[+-]?\d*\.\d*(?:[eE][+-]?\d+)?|[+-]?\d+[eE]\+?\d+")
_TWITTER_TIME = "%a %b %d %H:%M:%S %z %Y"


@dataclass(frozen=True, slots=True)
class Tweet:
    tweet_id: str
    text: str
    author: str | None
    created_at: datetime | None
    line: int


def wanted(source: Source) -> set[str]:
    """The columns that are looked at, where a table has them."""
    return {*source.text_columns, *_id_columns(source), *AUTHORS, *TIMES}


def to_tweet(row: Mapping[str, Any], source: Source, line: int) -> Tweet | str:
    tweet_id = _first(row, _id_columns(source))
    if why := _bad_id(tweet_id):
        return why
    text = next(
        (found for name in source.text_columns if isinstance(found := row.get(name), str) and found.strip()), ""
    )
    if not text:
        return "no text"
    if len(text) > TEXT_LIMIT:
        return f"text of {len(text)} characters; no tweet has over {TEXT_LIMIT}"
    if not (_encodable(text) and _encodable(str(tweet_id))):
        return "not UTF-8"
    author = _first(row, AUTHORS)
    name = None if author is None else printable(str(author))
    return Tweet(str(tweet_id).strip(), text, name, _time(_first(row, TIMES)), line)


def printable(raw: str) -> str:
    """`raw` as it can be stored: bytes that were not UTF-8 become question marks."""
    return raw if raw.isascii() else raw.encode("utf-8", "replace").decode("utf-8")


def _id_columns(source: Source) -> tuple[str, ...]:
    return (source.id_column,) if source.id_column else IDS


def _bad_id(tweet_id: Any) -> str | None:
    if tweet_id is None or (isinstance(tweet_id, str) and not tweet_id.strip()):
        return "no id"
    if isinstance(tweet_id, float) or (isinstance(tweet_id, str) and _ROUNDED.fullmatch(tweet_id.strip())):
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


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            return value
    return None


def _time(value: Any) -> datetime | None:
    """UTC. An unreadable time loses a time slice, not a tweet."""
    try:
        if isinstance(value, str):
            value = _parsed(value)
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if not isinstance(value, datetime):
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parsed(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return datetime.strptime(value, _TWITTER_TIME)  # "Wed Oct 10 20:19:24 +0000 2018", as the old API wrote
