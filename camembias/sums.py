"""Sums of word scores, a block of texts a part, so that a refresh reads only what was explained since the last one.

The view `sampled_word_scores` says in SQL what is summed: scores centred over labels, occurrences in a text added
first, copies of a text taken as one. This is the same on arrays, twenty times faster; a test holds the two together.
It knows rows of explanations. It does not know DuckDB, nor what is estimated from the sums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from camembias.schemas import TABLES

BLOCK = 16_384  # texts: 2 million scores of five labels, which fit a small memory
_SCOPE = ("model_version", "method", "baseline")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of `sampled_texts`; `name` changes with anything that the sums depend on."""

    name: str
    texts: pl.DataFrame


def blocks(texts: pl.DataFrame, edited: pl.DataFrame) -> Iterator[Block]:
    """Sampled texts in order of their batches. New batches come last, so that older blocks stay as they are.

    `edited`: model_version and word of the words whose scores are kept by tweet.
    """
    words = hashlib.sha256(repr(edited.sort(edited.columns).rows()).encode()).digest()
    ordered = texts.sort("batch", "tweet_id", *_SCOPE)
    for number, start in enumerate(range(0, ordered.height, BLOCK)):
        mine = ordered.slice(start, BLOCK)
        state = mine["mark"].to_numpy().tobytes() + words
        yield Block(f"{number:06}-{hashlib.sha256(state).hexdigest()[:16]}", mine)


def summed(rows: pl.DataFrame, edited: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the tables `sums` and `edited_scores`.

    `rows`: one a text and label, with tweet_id, model_version, method, baseline, w, v, target, words.
    """
    sums, kept = [pl.DataFrame(schema=TABLES["sums"])], [pl.DataFrame(schema=TABLES["edited_scores"])]
    for scope in rows.select(_SCOPE).unique().rows():
        mine = rows.filter(pl.all_horizontal(pl.col(n) == v for n, v in zip(_SCOPE, scope, strict=True)))
        wanted = edited.filter(pl.col("model_version") == scope[0])["word"]
        for frames, found in zip((sums, kept), _of_one_model(mine, wanted), strict=True):
            named = [pl.lit(value).alias(name) for name, value in zip(_SCOPE, scope, strict=True)]
            schema = frames[0].schema
            frames += [one.with_columns(named).select(pl.col(n).cast(t) for n, t in schema.items()) for one in found]
    return pl.concat(sums), pl.concat(kept)


def _of_one_model(rows: pl.DataFrame, edited: pl.Series) -> tuple[list[pl.DataFrame], list[pl.DataFrame]]:
    labels = rows["target"].unique().sort().to_list()
    places, scores = _flat(rows, labels)
    if not places.height:
        return [], []
    order, first, occurrences = _runs(places["tweet"].to_numpy(), places["word"].to_physical().to_numpy())
    x = np.add.reduceat(scores[order], first, axis=0)  # (pairs of tweet and word, labels)
    pairs = places[order[first]].with_columns(occurrences=pl.Series(occurrences))
    strongest = _strongest(pairs["tweet"].to_numpy(), x)
    chosen = pairs["word"].cast(pl.String()).is_in(edited.implode())
    sums, kept = [], []
    for at, label in enumerate(labels):
        mine = pairs.with_columns(x=pl.Series(x[:, at]), strongest=pl.Series(strongest[:, at]))
        sums.append(_totals(mine).with_columns(label=pl.lit(label)))
        kept.append(mine.filter(chosen).select("tweet_id", "w", "word", "x", label=pl.lit(label)))
    return sums, kept


def _flat(rows: pl.DataFrame, labels: list[str]) -> tuple[pl.DataFrame, Floats]:
    """tweet (a number), tweet_id, w, v and word of every position; and its centred scores, (positions, labels).

    A tweet whose labels disagree on its words is left out.
    """
    split = rows.select(
        *("tweet_id", "w", "v", "target"),
        word=pl.col("words").list.eval(pl.element().struct.field("word")),
        score=pl.col("words").list.eval(pl.element().struct.field("score").cast(pl.Float64())),
    )
    alike = split.group_by("tweet_id").agg(good=(pl.col("word").n_unique() == 1) & (pl.len() == len(labels)))
    kept = (
        split.join(alike.filter("good"), on="tweet_id", how="semi")
        .sort("tweet_id")
        .filter(pl.col("word").list.len() > 0)
    )
    first = kept.filter(pl.col("target") == labels[0]).with_row_index("tweet")
    places = first.select("tweet", "tweet_id", "w", "v", pl.col("word").cast(pl.List(pl.Categorical()))).explode("word")
    raw = [kept.filter(pl.col("target") == label)["score"].explode().to_numpy() for label in labels]
    scores = np.stack(raw, axis=1)
    return places, scores - scores.mean(axis=1, keepdims=True)


def _runs(
    tweet: npt.NDArray[Any], word: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """The order that brings a word's places in one tweet together, where each run of them starts, and its length."""
    key = tweet.astype(np.int64) * (int(word.max()) + 1) + word
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    return order, first, np.diff(first, append=len(key))


def _strongest(tweet: npt.NDArray[Any], x: Floats) -> npt.NDArray[np.bool_]:
    """Whether no word of the tweet pushes the label more, (pairs, labels); tweets stand together."""
    first = np.flatnonzero(np.diff(tweet.astype(np.int64), prepend=-1))
    most = np.repeat(np.maximum.reduceat(x, first, axis=0), np.diff(first, append=len(tweet)), axis=0)
    return np.asarray((x > 0) & (x == most))


def _totals(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row a word and weight: of texts with one weight, sums can be weighted later."""
    x = pl.col("x")
    return pairs.group_by("word", "w", "v").agg(
        tweets=pl.len(),
        occurrences=pl.col("occurrences").sum(),
        x=x.sum(),
        xx=(x * x).sum(),
        abs_x=x.abs().sum(),
        positive=(x > 0).sum(),
        strongest=pl.col("strongest").sum(),
    )
