"""The words of a model's training tweets, in its bundle, each tweet under a salted hash so that it can be erased.

The salt lies in the manifest. Without it no row could be found again; with it, somebody who guesses an id can look
whether its tweet was trained on: pseudonymous, not anonymous.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace

import polars as pl

from camembias.bundle import Bundle, write_manifest
from camembias.errors import BundleError
from camembias.files import replacing, sha256


def hashed(salt: str, value: str) -> str:
    """`salt` in hex."""
    return hashlib.sha256(bytes.fromhex(salt) + value.encode()).hexdigest()[:16]


def without(rows: pl.DataFrame, salt: str | None, tweet_ids: Collection[str]) -> pl.DataFrame:
    """The rows of other tweets; all of them when the salt is not known."""
    if salt is None:
        return rows
    return rows.filter(~pl.col("tweet").is_in([hashed(salt, one) for one in tweet_ids]))


def known(bundle: Bundle, tweet_ids: Collection[str]) -> int | None:
    """How many of these tweets were in the model's training table; None where its salt was not kept."""
    salt = bundle.manifest.training_salt
    if salt is None:
        return None
    rows = pl.read_parquet(bundle.layout.training_words, columns=["tweet"])
    return len({hashed(salt, one) for one in tweet_ids} & set(rows["tweet"]))


def forget(bundle: Bundle, tweet_ids: Collection[str]) -> int:
    """Erase tweets from a bundle; returns the number of rows. The weights learned from them stay as they are.

    The file's checksum is left out of the manifest while the file changes: a bundle whose erasure was killed still
    loads. Raises BundleError for a model whose salt was not kept.
    """
    if bundle.manifest.training_salt is None:
        raise BundleError(
            f"'{bundle.layout.root}' was trained before the salt of its training words was kept, so no tweet can be "
            "found in it; train it again without these tweets"
        )
    path = bundle.layout.training_words
    before = pl.read_parquet(path)
    after = without(before, bundle.manifest.training_salt, tweet_ids)
    if len(after) < len(before) or path.name not in bundle.manifest.files:
        others = {name: digest for name, digest in bundle.manifest.files.items() if name != path.name}
        write_manifest(bundle.layout, replace(bundle.manifest, files=others))
        with replacing(path) as temporary:
            after.write_parquet(temporary)
        write_manifest(bundle.layout, replace(bundle.manifest, files={**others, path.name: sha256(path)}))
    return len(before) - len(after)
