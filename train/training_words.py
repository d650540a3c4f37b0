"""The words of the training tweets, kept for the association witness."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import polars as pl

from camembias.text import words


def save(rows: pl.DataFrame, path: Path) -> None:
    """What the association witness needs, and nothing that could be read as a tweet."""
    salt = os.urandom(16)

    def hashed(value: str | None) -> str | None:
        return None if value is None else hashlib.sha256(salt + value.encode()).hexdigest()[:16]

    frame = pl.DataFrame(
        {
            "tweet": [hashed(value) for value in rows["tweet_id"]],
            "author": pl.Series([hashed(value) for value in rows["author"]], dtype=pl.String()),
            "duplicate_group": rows["duplicate_group"],
            "label": rows["label"],
            "split": rows["split"],
            "words": [sorted({word.word for word in words(text)}) for text in rows["text"]],
        }
    )
    frame.write_parquet(path)
