"""The words of the training tweets, kept for the association witness."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl

from camembias.text import words
from camembias.training_words import hashed


def save(rows: pl.DataFrame, path: Path) -> str:
    """What the association witness needs, and nothing that could be read as a tweet. Returns the salt of its hashes."""
    salt = os.urandom(16).hex()
    frame = pl.DataFrame(
        {
            "tweet": [None if value is None else hashed(salt, value) for value in rows["tweet_id"]],
            "author": pl.Series(
                [None if value is None else hashed(salt, value) for value in rows["author"]], dtype=pl.String()
            ),
            "duplicate_group": rows["duplicate_group"],
            "label": rows["label"],
            "split": rows["split"],
            "words": [sorted({word.word for word in words(text)}) for text in rows["text"]],
        }
    )
    frame.write_parquet(path)
    return salt
