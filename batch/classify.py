"""Classifies tweet files into the store.

The story of a chunk: read → normalise → drop what the store has refused or forgotten → each distinct text once
through int8 → again through fp32 where the margin is under the bound → parts → one row in the ledger, last.
A killed job loses at most the chunk it was on; run again, it skips finished units and rewrites an unfinished one
under the same part name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from batch.readers import READER_VERSION, Chunk, Source, Tweet, chunks
from camembias.bundle import Bundle
from camembias.errors import InputError
from camembias.schemas import TABLES
from camembias.scoring import Logits, Scorer, margins
from camembias.settings import cpu_count
from camembias.store import Run, Store, now
from camembias.text import NORMALISER_VERSION, normalise, text_hash

Progress = Callable[[int], None]


@dataclass(slots=True)
class Classifier:
    """int8 for all, fp32 for those whose label int8 cannot be trusted with."""

    bundle: Bundle
    int8: Scorer
    fp32: Scorer

    @classmethod
    def open(cls, bundle: Bundle) -> Classifier:
        _ = bundle.serving_version  # raises before any session is opened when there is no ONNX yet
        layout, length, threads = bundle.layout, bundle.manifest.max_length, cpu_count()
        return cls(
            bundle,
            Scorer.open(layout, layout.onnx_int8, length, threads),
            Scorer.open(layout, layout.onnx, length, threads),
        )

    def scores(self, texts: list[str]) -> tuple[Logits, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """Logits (texts, labels) to be stored, and which of them are fp32."""
        logits = self.int8.logits(texts)
        unsure = margins(logits) < (self.bundle.manifest.rescore_margin or np.inf)
        if unsure.any():
            logits[unsure] = self.fp32.logits([text for text, again in zip(texts, unsure, strict=True) if again])
        return logits, unsure


def classify(
    classifier: Classifier,
    sources: list[Source],
    store: Store,
    run: Run,
    progress: Progress = lambda _: None,
    keep_authors: bool = False,
) -> dict[str, int | float]:
    """Returns the counts of this run: rows, classified, rejects, rescored, skipped (rows of finished units)."""
    version = classifier.bundle.serving_version
    finished = store.finished_units(version)
    counts = run.counts
    counts.update(rows=0, classified=0, rejects=0, rescored=0, skipped=0)
    for source in sources:
        identity = source.identity
        for chunk in chunks(source):
            unit = _unit(identity, chunk.first_row, version)
            if unit in finished:
                counts["skipped"] += chunk.rows_in
            else:
                _do_unit(classifier, source, identity, chunk, unit, store, run, keep_authors)
            progress(chunk.rows_in)
    return counts


def _unit(identity: str, first_row: int, serving_version: str) -> str:
    body = f"{identity}\0{first_row}\0{READER_VERSION}\0{NORMALISER_VERSION}\0{serving_version}"
    return hashlib.sha256(body.encode()).hexdigest()[:20]


def _do_unit(
    classifier: Classifier, source: Source, identity: str, chunk: Chunk, unit: str, store: Store, run: Run, keep: bool
) -> None:
    tweets, texts = _usable(chunk)
    rescored = 0
    if tweets:
        rescored = _write_predictions(classifier, tweets, texts, unit, store, run)
        _write_tweets(tweets, texts, source, unit, store, keep)
    if chunk.rejects:
        rejects = [(source.path.name, line, why, _printable(raw), unit, run.run_id) for line, why, raw in chunk.rejects]
        store.write("rejects", unit, pl.DataFrame(rejects, schema=TABLES["rejects"], orient="row"))
    ledger = {
        "unit": unit,
        "run_id": run.run_id,
        "source": source.path.name,
        "source_id": identity,
        "first_row": chunk.first_row,
        "reader": READER_VERSION,
        "normaliser": NORMALISER_VERSION,
        "serving_version": classifier.bundle.serving_version,
        "rows_in": chunk.rows_in,
        "rows_out": len(tweets),
        "rejects": len(chunk.rejects),
        "finished_at": now(),
    }
    store.write("units", unit, pl.DataFrame([ledger], schema=TABLES["units"]))
    for name, count in {
        "rows": chunk.rows_in,
        "classified": len(tweets),
        "rejects": len(chunk.rejects),
        "rescored": rescored,
    }.items():
        run.counts[name] += count


def _usable(chunk: Chunk) -> tuple[list[Tweet], list[str]]:
    """Tweets whose normalised text is not empty and whose id is new in the chunk; the others become rejects."""
    tweets, texts, seen = [], [], set()
    for tweet in chunk.tweets:
        text = normalise(tweet.text)
        if not text:
            chunk.rejects.append((tweet.line, "empty after normalising", tweet.text[:500]))
        elif tweet.tweet_id in seen:
            chunk.rejects.append((tweet.line, "id seen already", tweet.text[:500]))
        else:
            seen.add(tweet.tweet_id)
            tweets.append(tweet)
            texts.append(text)
    return tweets, texts


def _write_predictions(
    classifier: Classifier, tweets: list[Tweet], texts: list[str], unit: str, store: Store, run: Run
) -> int:
    distinct = list(dict.fromkeys(texts))  # retweets: each text is scored once
    place = {text: row for row, text in enumerate(distinct)}
    logits, fp32 = classifier.scores(distinct)
    rows = np.array([place[text] for text in texts])
    logits, fp32 = logits[rows], fp32[rows]
    manifest = classifier.bundle.manifest
    shifted = np.exp((logits - logits.max(axis=1, keepdims=True)) / manifest.temperature)
    p = shifted / shifted.sum(axis=1, keepdims=True)
    abstained = None if manifest.abstain_below is None else p.max(axis=1) < manifest.abstain_below
    names = manifest.labels
    when = now()
    frame = pl.DataFrame(
        {
            "tweet_id": [tweet.tweet_id for tweet in tweets],
            "model_version": classifier.bundle.model_version,
            "serving_version": classifier.bundle.serving_version,
            "label": [names[best] for best in logits.argmax(axis=1)],
            "scores": [
                [{"label": name, "logit": logit, "p": share} for name, logit, share in zip(names, *row, strict=True)]
                for row in zip(logits.tolist(), p.tolist(), strict=True)
            ],
            "margin": margins(logits),
            "abstained": abstained,
            "rescored": fp32,
            "run_id": run.run_id,
            "classified_at": when,
        }
    )
    store.write("predictions", unit, frame)
    return int(fp32.sum())


def _write_tweets(tweets: list[Tweet], texts: list[str], source: Source, unit: str, store: Store, keep: bool) -> None:
    authors = [tweet.author if keep or tweet.author is None else store.hashed(tweet.author) for tweet in tweets]
    frame = pl.DataFrame(
        {
            "tweet_id": [tweet.tweet_id for tweet in tweets],
            "text": texts,
            "author": pl.Series(authors, dtype=pl.String()),
            "created_at": pl.Series([tweet.created_at for tweet in tweets], dtype=TABLES["tweets"]["created_at"]),
            "text_hash": [text_hash(text) for text in texts],
            "source": source.path.name,
            "seen_at": now(),
        }
    )
    store.write("tweets", unit, frame)


def _printable(raw: str) -> str:
    return raw.encode("utf-8", "replace").decode("utf-8")


def expand(inputs: list[Path]) -> list[Path]:
    """Files as given, folders as the files in them, in a stable order."""
    return [
        file
        for path in inputs
        for file in (sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path])
    ]


def check(sources: list[Source]) -> None:
    """Read the first chunk's header of every source, so that a mistake is told before the first tweet is scored."""
    if not sources:
        raise InputError("no input files; give files or folders that hold some")
    for source in sources:
        next(chunks(source))
