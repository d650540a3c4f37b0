"""Unlabelled tweets for pretraining: read, normalised, each text once, a few held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from camembias.columns import GUESSES, alternatives, first_filled, guess
from camembias.errors import InputError
from camembias.text import normalise, text_hash
from train import records
from train.duplicates import unretweeted

_HEAD = 100
_HELD_OUT_SHARE = 0.02
_MOST_HELD_OUT = 5000
FEWEST_TWEETS = 50


@dataclass(slots=True)
class Corpus:
    """Normalised texts. `held_out` was chosen by the texts' hashes: it is the same in whatever order they come."""

    train: list[str]
    held_out: list[str]
    rows: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


def read(paths: Path | Sequence[Path], text_column: str | None = None, encoding: str | None = None) -> Corpus:
    """Raises InputError for a missing file or column, or when fewer than 50 texts are left."""
    texts: dict[str, str] = {}  # hash → text
    rows, dropped = 0, {"row cannot be read": 0, "no text": 0, "text seen before": 0}
    for path in records.expand(paths):
        stream = records.rows(path, encoding)
        head = list(islice(stream, _HEAD))
        columns = _columns(path, {name for row in head for name in row or ()}, text_column)
        for row in chain(head, stream):
            rows += 1
            if row is None:
                dropped["row cannot be read"] += 1
                continue
            text = normalise(str(first_filled(row, columns) or ""))
            key = text_hash(unretweeted(text).lower())
            if not text:
                dropped["no text"] += 1
            elif key in texts:
                dropped["text seen before"] += 1
            else:
                texts[key] = text
    if len(texts) < FEWEST_TWEETS:
        raise InputError(f"{len(texts)} different texts are too few to learn from; give at least {FEWEST_TWEETS}")
    keys = sorted(texts)
    count = min(_MOST_HELD_OUT, max(10, round(_HELD_OUT_SHARE * len(keys))))
    held_out, train = [texts[key] for key in keys[:count]], [texts[key] for key in keys[count:]]
    return Corpus(train, held_out, rows, {reason: number for reason, number in dropped.items() if number})


def _columns(path: Path, names: set[str], wanted: str | None) -> tuple[str, ...]:
    found = (guess("text", names) or GUESSES["text"][0],) if wanted is None else alternatives(wanted) or (wanted,)
    if missing := [name for name in found if name not in names]:
        raise InputError(
            f"'{path}' has no column '{missing[0]}'; it has: {', '.join(sorted(names))[:200]}. Name it: --text-column"
        )
    return found
