"""Writes a scored window as parts of the store, the row in the ledger last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from batch.readers import READER_VERSION
from batch.windows import Window
from camembias.bundle import Bundle
from camembias.schemas import TABLES
from camembias.scoring import Logits, margins, probabilities
from camembias.store import Run, Store, now
from camembias.text import NORMALISER_VERSION


@dataclass(slots=True)
class Scored:
    window: Window
    logits: Logits  # (tweets, labels)
    fp32: np.ndarray[tuple[int], np.dtype[np.bool_]]  # (tweets,): scored again
    cached: int  # tweets whose text had been scored before


def write(scored: Scored, bundle: Bundle, store: Store, run: Run, keep_authors: bool) -> None:
    """All parts of one unit, then its ledger row, then the counts of the run. Raises StoreError."""
    window = scored.window
    abstained = 0
    if window.tweets:
        frame = _predictions(scored, bundle, run)
        abstained = int(frame["abstained"].sum() or 0)
        store.write("tweets", window.unit, _tweets(window, store, keep_authors))
        store.write("predictions", window.unit, frame)
    if window.chunk.rejects:
        rows = [
            (window.source.name, line, why, raw, window.unit, run.run_id) for line, why, raw in window.chunk.rejects
        ]
        store.write("rejects", window.unit, pl.DataFrame(rows, schema=TABLES["rejects"], orient="row"))
    store.write("units", window.unit, _ledger(window, bundle, run))
    for name, count in {
        "rows": window.chunk.rows_in,
        "classified": len(window.tweets),
        "known": window.known,
        "forgotten": window.forgotten,
        "rejects": len(window.chunk.rejects),
        "rescored": int(scored.fp32.sum()),
        "abstained": abstained,
        "cached": scored.cached,
    }.items():
        run.counts[name] += count


def _predictions(scored: Scored, bundle: Bundle, run: Run) -> pl.DataFrame:
    manifest, logits = bundle.manifest, scored.logits
    p = probabilities(logits, manifest.temperature)
    best = p.max(axis=1)
    names = np.array(manifest.labels)
    scores = pl.DataFrame(
        {"label": np.tile(names, len(logits)), "logit": logits.ravel(), "p": p.ravel()},
        schema_overrides={"label": pl.String()},
    )
    return pl.DataFrame(
        {
            "tweet_id": [tweet.tweet_id for tweet in scored.window.tweets],
            "model_version": bundle.model_version,
            "serving_version": bundle.serving_version,
            "label": names[logits.argmax(axis=1)],
            "scores": scores.to_struct("scores").reshape((len(logits), len(names))).arr.to_list(),
            "margin": margins(logits),
            "abstained": None if manifest.abstain_below is None else best < manifest.abstain_below,
            "rescored": scored.fp32,
            "run_id": run.run_id,
            "classified_at": now(),
        }
    )


def _tweets(window: Window, store: Store, keep_authors: bool) -> pl.DataFrame:
    tweets = window.tweets
    authors = [t.author if keep_authors or t.author is None else store.hashed(t.author) for t in tweets]
    return pl.DataFrame(
        {
            "tweet_id": [tweet.tweet_id for tweet in tweets],
            "text": window.texts,
            "author": pl.Series(authors, dtype=pl.String()),
            "created_at": pl.Series([tweet.created_at for tweet in tweets], dtype=TABLES["tweets"]["created_at"]),
            "text_hash": window.hashes,
            "source": window.source.name,
            "seen_at": now(),
        }
    )


def _ledger(window: Window, bundle: Bundle, run: Run) -> pl.DataFrame:
    row = {
        "unit": window.unit,
        "run_id": run.run_id,
        "source": window.source.name,
        "source_id": window.source_id,
        "first_row": window.chunk.first_row,
        "reader": READER_VERSION,
        "normaliser": NORMALISER_VERSION,
        "serving_version": bundle.serving_version,
        "rows_in": window.chunk.rows_in,
        "rows_out": len(window.tweets),
        "rejects": len(window.chunk.rejects),
        "finished_at": now(),
    }
    return pl.DataFrame([row], schema=TABLES["units"])
