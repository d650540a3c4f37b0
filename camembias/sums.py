"""Sums of word scores, a block of texts a part, so that a refresh reads only what was explained since the last one.

The view `sampled_word_scores` says in SQL what is summed: scores centred over labels, occurrences in a text added
first, copies of a text taken as one. This is the same on arrays, many times faster; a test holds the two together.
It knows parts of explanations. It does not know DuckDB, nor what is estimated from the sums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from camembias.schemas import TABLES

BLOCK = 16_384  # texts: 2 million scores of five labels, which fit a small memory
SUMS = 4  # what a part `sums` holds; another number, and all are made again
_SCOPE = ("model_version", "method", "baseline")
_WORD, _SCORE = "words.list.element.word", "words.list.element.score"
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of `sampled_texts`; `name` changes with anything that the sums depend on."""

    name: str
    texts: pl.DataFrame


def blocks(texts: pl.DataFrame, edited: pl.DataFrame) -> Iterator[Block]:
    """Sampled texts in order of their batches. New batches come last, so that older blocks stay as they are.

    `edited`: model_version and word of the words whose scores are kept by tweet.
    """
    words = hashlib.sha256(repr((SUMS, edited.sort(edited.columns).rows())).encode()).digest()
    ordered = texts.sort("batch", "tweet_id", *_SCOPE)
    for number, start in enumerate(range(0, ordered.height, BLOCK)):
        mine = ordered.slice(start, BLOCK)
        state = mine["mark"].to_numpy().tobytes() + words
        yield Block(f"{number:06}-{hashlib.sha256(state).hexdigest()[:16]}", mine)


@dataclass(frozen=True, slots=True)
class Explanations:
    """Rows of the table `explanations`; the words of row i are `word` and `score` from `start[i]` to `stop[i]`."""

    rows: pl.DataFrame  # tweet_id, model_version, method, baseline, target, batch, computed_at, row
    start: Numbers
    stop: Numbers
    word: Numbers  # places in the vocabulary
    score: Floats  # logits, not centred
    vocabulary: pl.Series


def read(parts: Iterable[Path]) -> Explanations:
    """Of these parts. Of their words only spelling and score are read, and a spelling once a part."""
    names = ["tweet_id", *_SCOPE, "target", "batch", "computed_at", _WORD, _SCORE]
    tables = []
    for part in parts:
        with pq.ParquetFile(part, read_dictionary=[_WORD]) as file:
            tables.append(file.read(names))
    table = pa.concat_tables(tables).combine_chunks()
    words = table["words"].combine_chunks()
    word, score = words.values.field(0), words.values.field(1)
    offsets = words.offsets.to_numpy()
    rows = pl.DataFrame(pl.from_arrow(table.drop_columns(["words"]))).with_row_index("row")
    return Explanations(
        rows,
        offsets[:-1],
        offsets[1:],
        word.indices.to_numpy(zero_copy_only=False).astype(np.int64),
        score.to_numpy(zero_copy_only=False).astype(np.float64),
        pl.Series("word", pl.from_arrow(word.dictionary), dtype=pl.String()),
    )


def summed(
    found: Explanations, texts: pl.DataFrame, labels: Mapping[str, Sequence[str]], edited: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the tables `sums` and `edited_scores` for these texts.

    `texts`: tweet_id, model_version, method, baseline, w, v. `labels`: of each model version.
    """
    sums, kept = [pl.DataFrame(schema=TABLES["sums"])], [pl.DataFrame(schema=TABLES["edited_scores"])]
    key = ["tweet_id", *_SCOPE]
    rows = found.rows.join(texts.select(*key, "w", "v"), on=key)
    latest = rows.sort("computed_at", "batch", descending=[True, False], nulls_last=True)
    latest = latest.unique([*key, "target"], keep="first")
    for scope in latest.select(_SCOPE).unique().sort(_SCOPE).rows():
        mine = latest.filter(pl.all_horizontal(pl.col(n) == v for n, v in zip(_SCOPE, scope, strict=True)))
        pairs = _pairs(found, mine, list(labels[scope[0]]))
        wanted = edited.filter(pl.col("model_version") == scope[0])["word"]
        named = [pl.lit(value).alias(name) for name, value in zip(_SCOPE, scope, strict=True)]
        sums += [one.with_columns(named) for one in _totals(pairs)]
        kept += [one.with_columns(named) for one in _scores(pairs, wanted)]
    return pl.concat(sums, how="diagonal_relaxed"), pl.concat(kept, how="diagonal_relaxed")


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Each word of each text once; arrays of one entry a pair, those of labels with one column a label."""

    labels: list[str]
    tweets: pl.DataFrame  # tweet_id, w, v; one row a text
    tweet: Numbers  # row in `tweets`; a text's pairs stand together
    word: Numbers
    vocabulary: pl.Series
    occurrences: Numbers
    x: Floats  # (pairs, labels), centred logits, occurrences added


def _pairs(found: Explanations, latest: pl.DataFrame, labels: list[str]) -> _Pairs:
    """A tweet whose labels disagree on its words is left out."""
    tweets = latest.select("tweet_id", "w", "v").unique("tweet_id")
    rows = [f"row {number}" for number in range(len(labels))]
    for label, row in zip(labels, rows, strict=True):
        tweets = tweets.join(latest.filter(target=label).select("tweet_id", pl.col("row").alias(row)), on="tweet_id")
    tweets = tweets.sort("tweet_id")
    at = tweets.select(rows).to_numpy().astype(np.int64).reshape(-1, len(labels))  # (tweets, labels): rows of `found`
    length = found.stop[at] - found.start[at]
    alike = (length == length[:, :1]).all(axis=1)
    at, length, tweets = at[alike], length[alike, 0], tweets.filter(alike)
    tweet = np.repeat(np.arange(len(length)), length)
    within = np.arange(len(tweet)) - np.repeat(np.cumsum(length) - length, length)
    places = found.start[at][tweet] + within[:, None]  # (words of all tweets, labels)
    words = found.word[places]
    differ = (words != words[:, :1]).any(axis=1)
    agree = ~np.isin(tweet, tweet[differ])
    tweet, word, scores = tweet[agree], words[agree, 0], found.score[places[agree]]
    if not len(tweet):
        return _Pairs(labels, tweets, tweet, word, found.vocabulary, tweet, scores)
    order, first = _runs(tweet, word)
    x = np.add.reduceat((scores - scores.mean(axis=1, keepdims=True))[order], first, axis=0)
    occurrences = np.diff(first, append=len(tweet))
    return _Pairs(labels, tweets, tweet[order][first], word[order][first], found.vocabulary, occurrences, x)


def _runs(tweet: Numbers, word: Numbers) -> tuple[Numbers, Numbers]:
    """The order that brings a word's places in one tweet together, and where each run of them starts."""
    key = tweet * (word.max() + 1) + word
    order = np.argsort(key, kind="stable")
    return order, np.flatnonzero(np.diff(key[order], prepend=-1))


def _strongest(pairs: _Pairs) -> npt.NDArray[np.bool_]:
    """Whether no word of the tweet pushes the label more, (pairs, labels)."""
    first = np.flatnonzero(np.diff(pairs.tweet, prepend=-1))
    most = np.repeat(np.maximum.reduceat(pairs.x, first, axis=0), np.diff(first, append=len(pairs.tweet)), axis=0)
    return np.asarray((pairs.x > 0) & (pairs.x == most))


def _totals(pairs: _Pairs) -> Iterator[pl.DataFrame]:
    """All that weighted means and their errors are made from: a frame a label, and one of what all labels share.

    One row a word in each. What is shared stands apart because most of a refresh is adding up these rows.
    """
    if not len(pairs.tweet):
        return
    tweets = np.bincount(pairs.word)
    seen = np.flatnonzero(tweets)

    def total(values: npt.NDArray[Any]) -> Floats:
        return np.asarray(np.bincount(pairs.word, weights=values)[seen], np.float64)

    w, v = (pairs.tweets[name].to_numpy()[pairs.tweet] for name in ("w", "v"))
    of_word = {"w": w, "w2": w**2, "w3": w**3, "w4": w**4, "v": v, "vw": v * w, "v2": v**2}
    word = pairs.vocabulary.gather(seen)
    shared = {"word": word, "tweets": tweets[seen], "occurrences": total(pairs.occurrences).astype(np.int64)}
    yield pl.DataFrame({**shared, **{name: total(values) for name, values in of_word.items()}})
    strongest = _strongest(pairs)
    for at, label in enumerate(pairs.labels):
        x = pairs.x[:, at]
        of_label = {
            **{"wx": w * x, "wxx": w * x**2, "wx3": w * x**3, "wx4": w * x**4},
            **{"w2x": w**2 * x, "w2xx": w**2 * x**2, "vx": v * x, "vxx": v * x**2},
            **{"w_abs_x": w * np.abs(x), "w_positive": w * (x > 0), "w_strongest": w * strongest[:, at]},
        }
        yield pl.DataFrame({"word": word, "label": label, **{name: total(x) for name, x in of_label.items()}})


def _scores(pairs: _Pairs, edited: pl.Series) -> Iterator[pl.DataFrame]:
    """One row a text and edited word that it holds, a frame a label."""
    chosen = pairs.vocabulary.is_in(edited.implode()).to_numpy()[pairs.word]
    texts = pairs.tweets[pairs.tweet[chosen]].select("tweet_id", "w")
    words = pairs.vocabulary.gather(pairs.word[chosen])
    for at, label in enumerate(pairs.labels):
        yield texts.with_columns(word=words, label=pl.lit(label), x=pl.Series(pairs.x[chosen, at]))
