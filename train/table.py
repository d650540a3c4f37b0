"""Labelled tweets from files, and the rules for what cannot be used.

A row is left out, and counted by reason, when it cannot be read, has no label, a label that shall be dropped, no
text, or the id of an earlier row. All rows of a text that stands under two labels are left out: nothing says which
is right. Rows of the same text and label stay, as one duplicate group.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import polars as pl

from camembias.columns import GUESSES, alternatives, first_filled, guess, named, rounded_id
from camembias.errors import InputError
from camembias.text import normalise
from train import duplicates, records

FEWEST_PER_LABEL = 3  # groups of duplicates: one for each of training, validation and test
NO_COLUMN = "none"
_HEAD = 100  # rows that are asked which columns a file has: an object may leave out what is empty
_SHOWN = 5  # ids of rows left out, for each reason
_ROLES = ("text", "label", "id", "author")
_CELLS = ("id", "label", "text", "author")
_SCHEMA = pl.Schema({name: pl.String() for name in ("tweet_id", "text", "label", "author")})


@dataclass(frozen=True, slots=True)
class Columns:
    """Names as in the file; None: guessed. `a,b` is the first of these that is not empty in a row."""

    text: str | None = None
    label: str | None = None
    id: str | None = None
    author: str | None = None  # `none`: there is no author, whatever the columns are called


@dataclass(slots=True)
class Labelled:
    """`rows`: tweet_id, text (normalised), label, author, duplicate_group. `dropped`: reason → number of rows."""

    rows: pl.DataFrame
    dropped: dict[str, int] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)  # role → column, those found
    guessed: list[str] = field(default_factory=list)  # roles whose column was guessed
    examples: dict[str, list[str]] = field(default_factory=dict)  # reason → the first ids: for the eye, never stored


def read(
    paths: Path | Sequence[Path],
    columns: Columns | None = None,
    rename: Mapping[str, str] | None = None,
    drop: Iterable[str] = (),
    encoding: str | None = None,
    to_train: bool = True,
) -> Labelled:
    """Raises InputError for a missing file or column, an empty table, an unknown label, or, to train, too few examples.

    A table that only judges a model may hold as little as one tweet.
    """
    wanted, rename, drop = columns or Columns(), dict(rename or {}), set(drop)
    found = Labelled(pl.DataFrame(schema=_SCHEMA))
    kept: list[dict[str, str | None]] = []
    seen: set[str] = set()
    labels: set[str] = set()
    files = records.expand(paths)
    namesakes = Counter(path.name for path in files)
    for path in files:
        rows = records.rows(path, encoding)
        head = list(islice(rows, _HEAD))
        if not head:
            raise InputError(f"'{path}' holds no rows; expected labelled tweets")
        cells, found.guessed = _columns(path, dict.fromkeys(name for row in head for name in row or ()), wanted)
        found.columns = {role: ",".join(names) for role, names in cells.items()}
        for number, row in enumerate(chain(head, rows)):
            place = f"{path.name if namesakes[path.name] == 1 else path}:{number + 1}"
            tweet, reason = _tweet(path, row, cells, place, labels, rename, drop)
            if not reason and tweet["tweet_id"] in seen:
                reason = "id seen before"
            if reason:
                _leave_out(found, reason, tweet.get("tweet_id") or f"row {number + 1}")
            else:
                seen.add(str(tweet["tweet_id"]))
                kept.append(tweet)
    _refuse_unknown(labels, [*rename, *drop])
    if not kept:
        raise InputError(f"no usable rows in {_shown(paths)} (left out: {found.dropped or 'none'}); check the options")
    found.rows = _without_conflicts(pl.DataFrame(kept, schema=_SCHEMA), found)
    if to_train:
        _refuse_rare(found.rows)
    return found


def _columns(path: Path, names: Collection[str], wanted: Columns) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Role → columns of the file, the first that is not empty in a row counts; and which roles were guessed."""
    chosen, guessed = {}, []
    for role in _ROLES:
        name = getattr(wanted, role)
        if role == "author" and name == NO_COLUMN:
            continue
        if name is not None:
            chosen[role] = alternatives(name) or (name,)
            if absent := [part for part in chosen[role] if part not in names]:
                raise InputError(f"'{path}' has no column '{absent[0]}'; it has: {', '.join(names)[:200]}")
        elif (found := guess(role, names)) is not None:
            chosen[role] = (found,)
            guessed.append(role)
        elif role in ("text", "label"):
            missing = f"'{path}' has no column '{GUESSES[role][0]}'; it has: {', '.join(names)[:200]}"
            raise InputError(f"{missing}. Name it: --{role}-column")
    return chosen, guessed


def _tweet(
    path: Path,
    row: records.Row | None,
    cells: Mapping[str, tuple[str, ...]],
    place: str,
    labels: set[str],
    rename: Mapping[str, str],
    drop: set[str],
) -> tuple[dict[str, str | None], str | None]:
    """A tweet, and the reason why it cannot be used or None. Its label, as it is in the file, joins `labels`.

    `place` stands for an id where there is none.
    """
    if row is None:
        return {}, "row cannot be read"
    raw, label, text, author = (first_filled(row, cells.get(role, ())) for role in _CELLS)
    if rounded_id(raw):
        raise InputError(f"'{path}' has the id {raw!r}, a number rounded by a program: export ids as text")
    label = unicodedata.normalize("NFC", "" if label is None else named(label) or str(label)).strip()
    labels.add(label)
    dropped = label in drop
    label = rename.get(label, label)
    tweet = {
        "tweet_id": place if raw is None else str(raw).strip(),
        "text": normalise(text) if isinstance(text, str) else "",
        "label": label,
        "author": named(author),
    }
    reasons = {"label dropped": dropped or label in drop, "no label": not label, "no text": not tweet["text"]}
    return tweet, next((reason for reason, holds in reasons.items() if holds), None)


def _leave_out(found: Labelled, reason: str, tweet_id: str) -> None:
    found.dropped[reason] = found.dropped.get(reason, 0) + 1
    shown = found.examples.setdefault(reason, [])
    if len(shown) < _SHOWN:
        shown.append(tweet_id)


def _without_conflicts(rows: pl.DataFrame, found: Labelled) -> pl.DataFrame:
    """`rows` with duplicate groups, without the texts that stand under two labels (a retweet is its source's text)."""
    texts = [duplicates.unretweeted(text).lower().strip() for text in rows["text"]]
    conflict = rows.select(pl.col("label").n_unique().over(pl.Series("key", texts)) > 1).to_series()
    for tweet_id in rows.filter(conflict)["tweet_id"]:
        _leave_out(found, "same text under two labels", tweet_id)
    rows = rows.filter(~conflict)
    return rows.with_columns(pl.Series("duplicate_group", duplicates.groups(rows["text"].to_list()), dtype=pl.Int64()))


def _refuse_unknown(known: set[str], named: list[str]) -> None:
    for label in named:
        if label not in known:
            raise InputError(f"the table has no label '{label}'; it has: {', '.join(sorted(known - {''}))[:200]}")


def _refuse_rare(rows: pl.DataFrame) -> None:
    tweets, groups = Counter(rows["label"]), Counter(rows.unique(["label", "duplicate_group"])["label"])
    if len(groups) < 2:
        raise InputError(f"only {len(groups)} label is left ({', '.join(groups) or 'none'}); a classifier needs two")
    for label in sorted(groups):
        if groups[label] < FEWEST_PER_LABEL:
            raise InputError(
                f"label '{label}' has {tweets[label]} example(s) that say {groups[label]} different thing(s), fewer "
                f"than {FEWEST_PER_LABEL}; add tweets, or leave it out: --drop-label {label}"
            )


def _shown(paths: Path | Sequence[Path]) -> str:
    files = [paths] if isinstance(paths, Path) else list(paths)
    return f"'{files[0]}'" + (f" and {len(files) - 1} more" if len(files) > 1 else "")
