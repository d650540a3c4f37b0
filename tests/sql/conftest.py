"""A store of four tweets and two labels, small enough to work every answer out by hand.

Explained for both labels: t1 "le train", t2 "train vert train", t3 "le nucléaire".
t4 "train raté" has one target whose logit is no number, t5 only one of its two targets: no answer on words has them.
Centred scores for `avion` (those for `viande` are the same with the other sign):
t1: le 0.1, train 1.0; t2: train 0.5, vert -0.25, train 0.5; t3: le -0.3, nucléaire -1.0.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from camembias import catalog, store
from camembias.schemas import TABLES
from camembias.store import Store

DAY = datetime(2024, 3, 1, tzinfo=UTC)
LATER = datetime(2024, 3, 2, tzinfo=UTC)
TEXTS = {"t1": "le train", "t2": "train vert train", "t3": "le nucléaire", "t4": "train raté", "t5": "train"}


def put(into: Store, table: str, name: str, rows: list[dict[str, Any]]) -> None:
    """Write a part; columns that a row leaves out are null."""
    into.write(table, name, pl.DataFrame(rows, schema=TABLES[table]))


def tweet(tweet_id: str, text: str, **changes: Any) -> dict[str, Any]:
    return {"tweet_id": tweet_id, "text": text, "author": "a", "source": "s", "seen_at": DAY, **changes}


def prediction(tweet_id: str, label: str, **changes: Any) -> dict[str, Any]:
    row = {"tweet_id": tweet_id, "model_version": "m1", "serving_version": "v1", "label": label, "margin": 1.0}
    return {**row, "rescored": False, "run_id": "r1", "classified_at": DAY, **changes}


def explanation(tweet_id: str, target: str, scores: list[float], **changes: Any) -> dict[str, Any]:
    words, at = [], 0
    for word, score in zip(TEXTS[tweet_id].split(), scores, strict=True):
        words.append({"word": word, "surface": word, "start": at, "stop": at + len(word), "score": score})
        at += len(word) + 1
    row = {
        "batch": "b1", "tweet_id": tweet_id, "model_version": "m1", "target": target, "label": "avion", "method": "ig",
        "baseline": "mask", "steps": 50, "logit": 0.5 + 0.25 + sum(scores), "logit_baseline": 0.5, "delta": 0.0,
        "relative_error": 0.0, "converged": True, "special_score": 0.25, "words": words, "duration_ms": 1.0,
        "computed_at": DAY,
    }  # fmt: skip
    return {**row, **changes}


def training(tweet_id: str, group: int, label: str, words: list[str], **changes: Any) -> dict[str, Any]:
    row = {"model_version": "m1", "tweet": tweet_id, "author": "a", "duplicate_group": group, "label": label}
    return {**row, "split": "train", "words": words, **changes}


def design(name: str, method: str) -> dict[str, Any]:
    """Every tweet, with certainty: estimates are then plain means."""
    row = {"design_id": name, "rule": "uniform", "model_version": "m1", "serving_version": "v1", "framed_at": DAY}
    rates = [{"key": "all", "tweets": len(TEXTS), "rate": 1.0}]
    row |= {
        "frame_tweets": len(TEXTS),
        "method": method,
        "baseline": "mask",
        "seed": "s",
        "expected": float(len(TEXTS)),
    }
    return {**row, "rates": rates, "created_at": DAY}


def _fill(into: Store) -> None:
    put(into, "tweets", "p1", [tweet(key, text) for key, text in TEXTS.items() if key != "t5"])
    put(into, "tweets", "p2", [tweet("t1", "le", seen_at=LATER), tweet("t5", "train")])  # the longer t1 wins
    labels = {"t1": "avion", "t2": "avion", "t3": "viande", "t4": "avion", "t5": "avion"}
    put(into, "predictions", "p1", [prediction(key, label) for key, label in labels.items()])
    put(into, "predictions", "p2", [prediction("t1", "avion"), prediction("t5", "viande", rescored=True,
                                                                         classified_at=LATER)])  # fmt: skip
    model = {"model_version": "m1", "serving_version": "v1", "name": "tiny", "labels": ["avion", "viande"]}
    put(into, "models", "v1", [{**model, "manifest": "{}", "seen_at": DAY}])
    good = [
        explanation("t1", "avion", [0.3, 2.0]),
        explanation("t1", "viande", [0.1, 0.0]),
        explanation("t2", "avion", [1.0, 0.0, 0.5]),
        explanation("t2", "viande", [0.0, 0.5, -0.5]),
        explanation("t3", "avion", [-0.5, -1.0]),
        explanation("t3", "viande", [0.1, 1.0]),
        explanation("t4", "avion", [9.0, 9.0]),
        explanation(
            "t4", "viande", [0.0, 0.0], converged=False, delta=math.nan, relative_error=math.nan, logit=math.nan
        ),
        explanation("t5", "avion", [9.0]),
    ]
    put(into, "explanations", "b1", good)
    # The same again, and an older row of other numbers: neither may change an answer.
    put(into, "explanations", "b2", [good[0], explanation("t2", "avion", [7.0, 7.0, 7.0],
                                                          computed_at=datetime(2024, 1, 1, tzinfo=UTC))])  # fmt: skip
    put(into, "designs", "d", [design("d", "ig")])
    put(into, "draws", "d", [{"design_id": "d", "tweet_id": key, "key": "all", "pi": 1.0} for key in TEXTS])
    asked = {"batch": "b1", "model_version": "m1", "targets": ["avion", "viande"], "method": "ig", "baseline": "mask"}
    put(into, "requests", "b1", [{**asked, "tweet_id": key, "requested_at": DAY} for key in ("t1", "t5")])
    put(into, "requests", "b9", [{**asked, "batch": "b9", "tweet_id": key} for key in ("t1", "t6", "t7")])
    put(into, "failures", "b9", [{"batch": "b9", "tweet_id": "t6", "model_version": "m1", "attempts": 3}])
    refused = [("s", 1, "no text"), ("s", 2, "no text"), ("u", 1, "no text"), ("s", 3, "no id")]
    rows = [{"source": s, "line": n, "reason": why, "raw": "x", "run_id": "r1"} for s, n, why in refused]
    put(into, "rejects", "p1", rows)
    put(into, "rejects", "p2", [{**rows[0], "run_id": "r2"}])
    put(
        into,
        "training_words",
        "m1",
        [
            training("h1", 1, "avion", ["le", "train"]),
            training("h2", 1, "viande", ["train"]),  # duplicate of h1: not counted
            training("h3", 2, "avion", ["train"]),
            training("h4", 3, "viande", ["le"]),
            training("h5", 4, "viande", ["vert"]),
            training("h6", 5, "viande", ["train"], split="test"),
        ],
    )
    put(into, "concepts", "c", [{"label": "avion", "word": "train"}] * 2 + [{"label": "viande", "word": "vert"}])


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Shared: to be read only."""
    made = store.create(tmp_path_factory.mktemp("empty") / "store")
    catalog.refresh(made)
    return made


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = store.create(tmp_path_factory.mktemp("filled") / "store")
    _fill(made)
    catalog.refresh(made)
    return made


@pytest.fixture
def good_store(filled: Store, tmp_path: Path) -> Store:
    """A store of one's own. Refreshing it anew would cost each test half a second; a copied store answers as well."""
    target = tmp_path / "it's a store"  # the quote must survive into the views
    shutil.copytree(filled.root, target)
    return store.open_existing(target)


@pytest.fixture
def spoil(good_store: Store) -> Callable[[str, list[dict[str, Any]]], dict[str, int]]:
    """Add rows to the good store and tell which checks fire."""

    def add(table: str, rows: list[dict[str, Any]]) -> dict[str, int]:
        put(good_store, table, "bad", rows)
        return catalog.failed_checks(good_store)

    return add
