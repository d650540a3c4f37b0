"""Sums of word scores over some texts.

The view `sampled_word_scores` says in SQL what is summed: scores centred over labels, occurrences in a text added
first, copies of a text taken as one. This is the same on arrays, many times faster; a test holds the two together.
It knows parts of explanations. It does not know DuckDB, nor what is estimated from the sums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from camembias.schemas import TABLES
from camembias.text import KIND_NAMES, kind

SUMS = 6  # what a part `sums` holds; another number, and all are made again
_SCOPE = ("model_version", "method", "baseline")
_WORD, _SCORE = "words.list.element.word", "words.list.element.score"
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


def version(edited: pl.DataFrame, outside: Collection[str] = ()) -> str:
    """Changes with what sums of the same texts depend on. `edited`, `outside`: as for `summed`."""
    rested_on = (SUMS, edited.sort(edited.columns).rows(), sorted(outside))
    return hashlib.sha256(repr(rested_on).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Explanations:
    """Rows of the table `explanations`; the words of row i are `word` and `score` from `start[i]` to `stop[i]`."""

    rows: pl.DataFrame  # tweet_id, model_version, method, baseline, target, batch, computed_at, delta, converged, row
    start: Numbers
    stop: Numbers
    word: Numbers  # places in the vocabulary
    score: npt.NDArray[np.float32]  # logits, not centred
    vocabulary: pl.Series


def read(parts: Iterable[Path]) -> Explanations:
    """Of these parts. Of their words only spelling and score are read, and a spelling once a part."""
    names = ["tweet_id", *_SCOPE, "target", "batch", "computed_at", "delta", "converged", _WORD, _SCORE]
    tables = []
    for part in parts:
        with pq.ParquetFile(part, read_dictionary=[_WORD]) as file:
            tables.append(file.read(names, use_threads=False))
    table = pa.concat_tables(tables).combine_chunks()
    words = table["words"].combine_chunks()
    word, score = words.values.field(0), words.values.field(1)
    offsets = words.offsets.to_numpy()
    rows = pl.DataFrame(pl.from_arrow(table.drop_columns(["words"]))).with_row_index("row")
    return Explanations(
        rows,
        offsets[:-1],
        offsets[1:],
        word.indices.to_numpy(zero_copy_only=False),
        score.to_numpy(zero_copy_only=False),
        pl.Series("word", pl.from_arrow(word.dictionary), dtype=pl.String()),
    )


def summed(
    found: Explanations,
    texts: pl.DataFrame,
    labels: Mapping[str, Sequence[str]],
    edited: pl.DataFrame,
    outside: Collection[str] = (),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the tables `sums` and `edited_scores` for these texts, of their words and of their words' kinds.

    `texts`: tweet_id, model_version, method, baseline, w, v. `labels`: of each model version. `edited`: model_version
    and word of the words whose scores are kept text by text. `outside`: words that do not count for their kind.
    """
    codes = _kinds(found.vocabulary, outside)
    sums, kept = [pl.DataFrame(schema=TABLES["sums"])], [pl.DataFrame(schema=TABLES["edited_scores"])]
    for scope in texts.select(_SCOPE).unique().sort(_SCOPE).rows():
        of_scope = [pl.col(name) == value for name, value in zip(_SCOPE, scope, strict=True)]
        rows, tweets = found.rows.filter(of_scope), texts.filter(of_scope).select("tweet_id", "w", "v")
        pairs = _pairs(found, rows, tweets, list(labels[scope[0]]), codes)
        wanted = edited.filter(pl.col("model_version") == scope[0])["word"]
        named = [pl.lit(value).alias(name) for name, value in zip(_SCOPE, scope, strict=True)]
        sums += [one.with_columns(named) for one in _totals(pairs)]
        kept += [one.with_columns(named) for one in _scores(pairs, wanted)]
    return pl.concat(sums, how="diagonal_relaxed"), pl.concat(kept, how="diagonal_relaxed")


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Each word and kind of each text once; arrays of one entry a pair, those of labels with one row a label."""

    labels: list[str]
    tweets: pl.DataFrame  # tweet_id, w, v; one row a text
    tweet: Numbers  # row in `tweets`; a text's pairs stand together
    word: Numbers
    vocabulary: pl.Series  # kinds (`<hashtag>`) last
    occurrences: Numbers
    x: Floats  # (labels, pairs), centred logits, occurrences added
    missed: Floats  # (labels, texts), centred logits: what explanations miss where one of the text did not converge


def _kinds(vocabulary: pl.Series, outside: Collection[str]) -> Numbers:
    """Of each word the place of its kind in KIND_NAMES; -1 for a word of none of these kinds, or `outside`."""
    places = {name: place for place, name in enumerate(KIND_NAMES.values())}
    likely = ~vocabulary.str.contains(r"^[\p{L}-][^.:/]*$")  # most words: a look at each costs
    codes = np.full(len(vocabulary), -1)
    for at in np.flatnonzero(likely.to_numpy()):
        word = vocabulary[int(at)]
        codes[at] = -1 if word in outside else places.get(kind(word), -1)
    return codes


def _pairs(found: Explanations, rows: pl.DataFrame, tweets: pl.DataFrame, labels: list[str], codes: Numbers) -> _Pairs:
    """A tweet is left out where a label has no explanation, or none by numbers, or labels disagree on its words."""
    at = _places(rows.filter(pl.col("delta").is_finite()), tweets, labels)
    whole = np.flatnonzero((at >= 0).all(axis=0))
    at, tweets = at[:, whole], tweets[whole]
    length = found.stop[at] - found.start[at]
    alike = np.flatnonzero((length == length[0]).all(axis=0))
    at, length, tweets = at[:, alike], length[0, alike], tweets[alike]
    tweet = np.repeat(np.arange(len(length)), length)
    within = np.arange(len(tweet)) - np.repeat(np.cumsum(length) - length, length)
    places = found.start[at][:, tweet] + within  # (labels, words of all tweets)
    word = found.word[places[0]]
    differ = (found.word[places[1:]] != word).any(axis=0)
    if differ.any():
        agree = ~np.isin(tweet, tweet[differ])
        tweet, word, places = tweet[agree], word[agree], places[:, agree]
    scores, missed = found.score[places].astype(np.float64), _missed(found, at)
    vocabulary = pl.concat([found.vocabulary, pl.Series("word", [*KIND_NAMES], dtype=pl.String())])
    if not len(tweet):
        return _Pairs(labels, tweets, tweet, word, vocabulary, tweet, scores, missed)
    of_kind = np.flatnonzero(codes[word] >= 0)  # they count once more, for their kind
    tweet = np.concatenate([tweet, tweet[of_kind]])
    word = np.concatenate([word, len(codes) + codes[word[of_kind]]])
    scores = np.concatenate([scores, scores[:, of_kind]], axis=1)
    order, first = _runs(tweet, word)
    x = np.add.reduceat((scores - scores.mean(axis=0))[:, order], first, axis=1)
    occurrences = np.diff(first, append=len(tweet))
    return _Pairs(labels, tweets, tweet[order][first], word[order][first], vocabulary, occurrences, x, missed)


def _missed(found: Explanations, at: Numbers) -> Floats:
    """What the explanations at these rows, (labels, texts), miss: nothing where all of a text converged."""
    deltas, converged = (found.rows[name].to_numpy()[at] for name in ("delta", "converged"))
    return np.asarray(np.abs(deltas - deltas.mean(axis=0)) * ~converged.astype(bool).all(axis=0))


def _places(rows: pl.DataFrame, tweets: pl.DataFrame, labels: list[str]) -> Numbers:
    """Which of the rows is a tweet's latest explanation of a label, (labels, tweets); -1 where there is none."""
    target = pl.col("target").replace_strict(labels, range(len(labels)), default=None, return_dtype=pl.Int64())
    cells = tweets.select("tweet_id").with_row_index("tweet").join(rows.with_columns(target), on="tweet_id")
    cells = cells.drop_nulls("target")
    at = np.full((len(labels), tweets.height), -1)
    at[cells["target"], cells["tweet"]] = cells["row"]
    if (at >= 0).sum() < cells.height:  # of several the last one counts that is put there
        cells = cells.sort("computed_at", "batch", descending=[False, True], nulls_last=False)
        at[cells["target"], cells["tweet"]] = cells["row"]
    return at


def _runs(tweet: Numbers, word: Numbers) -> tuple[Numbers, Numbers]:
    """The order that brings a word's places in one tweet together, and where each run of them starts."""
    key = tweet * (word.max() + 1) + word
    order = np.argsort(key, kind="stable")
    return order, np.flatnonzero(np.diff(key[order], prepend=-1))


def _strongest(pairs: _Pairs) -> npt.NDArray[np.bool_]:
    """Whether no word of the tweet pushes the label more, (labels, pairs)."""
    first = np.flatnonzero(np.diff(pairs.tweet, prepend=-1))
    of_words = np.where(pairs.word < len(pairs.vocabulary) - len(KIND_NAMES), pairs.x, -np.inf)
    most = np.repeat(np.maximum.reduceat(of_words, first, axis=1), np.diff(first, append=len(pairs.tweet)), axis=1)
    return np.asarray((pairs.x > 0) & (pairs.x >= most))


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
    for label, x, strongest, missed in zip(pairs.labels, pairs.x, _strongest(pairs), pairs.missed, strict=True):
        wx, vx = w * x, v * x
        wxx = wx * x
        wx3 = wxx * x
        of_label = {
            **{"wx": wx, "wxx": wxx, "wx3": wx3, "wx4": wx3 * x},
            **{"w2x": w * wx, "w2xx": w * wxx, "vx": vx, "vxx": vx * x},
            **{"w_abs_x": np.abs(wx), "w_positive": w * (x > 0), "w_strongest": w * strongest},
            "we": w * missed[pairs.tweet],
        }
        yield pl.DataFrame({"word": word, "label": label, **{name: total(values) for name, values in of_label.items()}})


def _scores(pairs: _Pairs, edited: pl.Series) -> Iterator[pl.DataFrame]:
    """One row a text and edited word that it holds, a frame a label."""
    chosen = pairs.vocabulary.is_in(edited.implode()).to_numpy()[pairs.word]
    texts = pairs.tweets[pairs.tweet[chosen]].select("tweet_id", "w")
    words = pairs.vocabulary.gather(pairs.word[chosen])
    for at, label in enumerate(pairs.labels):
        missed = pairs.missed[at, pairs.tweet[chosen]]
        yield texts.with_columns(word=words, label=pl.lit(label), x=pl.Series(pairs.x[at, chosen]), e=pl.Series(missed))
