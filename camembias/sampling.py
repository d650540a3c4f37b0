"""Which tweets are explained: Poisson sampling with permanent random numbers, and requests written to the store.

A tweet's number u = hash(salt, id) in [0, 1) never changes; a design of rate π takes it when u < π. A later, larger
sample therefore contains the earlier one, and what is explained already is not asked for again.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from camembias.bundle import Bundle
from camembias.errors import InputError, StoreError
from camembias.schemas import TABLES
from camembias.store import Store, now
from camembias.text import normalise, text_hash

METHOD = "integrated_gradients"
BASELINE = "mask"
BATCH_TWEETS = 16
_HEX = 13  # 52 bits: exact in a double


@dataclass(frozen=True, slots=True)
class Asked:
    """Request batches to be queued, and how many tweet × target explanations they will make."""

    batches: tuple[str, ...]
    tweets: int
    explanations: int


def permanent_random_number(salt: str, tweet_id: str) -> float:
    """Uniform in [0, 1), the same for this store and tweet for ever (Ohlsson 1995)."""
    digest = hashlib.sha256(f"{salt}\0{tweet_id}".encode()).hexdigest()
    return float(int(digest[:_HEX], 16) / 16.0**_HEX)


def classified(store: Store, bundle: Bundle) -> pl.DataFrame:
    """tweet_id, label, text of every tweet that this model classified, one row a tweet.

    Raises StoreError when the store holds predictions of other models only.
    """
    predictions = store.scan("predictions")
    mine = predictions.filter(pl.col("model_version") == bundle.model_version)
    rows = mine.sort("classified_at").unique("tweet_id", keep="last").select("tweet_id", "label").collect()
    if rows.is_empty():
        others = predictions.select("model_version").unique().collect()["model_version"].to_list()
        held = f"it holds those of {', '.join(sorted(others))}" if others else "it holds none"
        raise StoreError(
            f"'{store.root}' has no predictions of model {bundle.model_version} ({held}); "
            f"run: camembias classify {bundle.layout.root} INPUT --store {store.root}"
        )
    texts = store.scan("tweets").sort("seen_at").unique("tweet_id", keep="last").select("tweet_id", "text").collect()
    return rows.join(texts, on="tweet_id").sort("tweet_id")


def ask_sample(store: Store, bundle: Bundle, count: int, targets: Sequence[str]) -> Asked:
    """A uniform Poisson sample of expected size `count` of the classified tweets."""
    if count < 1:
        raise InputError(f"--sample {count}: give a number of tweets of at least 1")
    frame = classified(store, bundle)
    rate = min(1.0, count / len(frame))
    design = f"uniform-{rate:.9f}-{bundle.serving_version}"
    row = {"design_id": design, "rule": "uniform", "rate": rate, "frame": bundle.serving_version, "created_at": now()}
    store.write("designs", design, pl.DataFrame([row], schema=TABLES["designs"]))
    drawn = [permanent_random_number(store.salt, tweet) < rate for tweet in frame["tweet_id"]]
    return _ask(store, bundle, frame.filter(pl.Series(drawn, dtype=pl.Boolean())), targets, design)


def ask_tweets(store: Store, bundle: Bundle, tweets: Sequence[str], targets: Sequence[str]) -> Asked:
    """Hand-picked tweets, by id. Raises InputError for one that the store has not classified."""
    frame = classified(store, bundle).filter(pl.col("tweet_id").is_in(list(tweets)))
    if missing := sorted(set(tweets) - set(frame["tweet_id"])):
        raise InputError(f"tweet '{missing[0]}' is not among those this model classified in '{store.root}'")
    return _ask(store, bundle, frame, targets, None)


def ask_text(store: Store, bundle: Bundle, text: str, targets: Sequence[str]) -> Asked:
    """A text that need not be a tweet; its id is made from the text."""
    normalised = normalise(text)
    if not normalised:
        raise InputError("--text is empty after normalising; give some words")
    row = {"tweet_id": f"text-{text_hash(normalised)}", "label": None, "text": normalised}
    schema = {name: pl.String() for name in ("tweet_id", "label", "text")}
    return _ask(store, bundle, pl.DataFrame([row], schema=schema), targets, None)


def ask_again(store: Store, bundle: Bundle) -> Asked:
    """Every batch of this model that still lacks an explanation: for when the queue was emptied."""
    rows = _open(store).filter(pl.col("model_version") == bundle.model_version).collect()
    return Asked(tuple(sorted(rows["batch"].unique())), rows["tweet_id"].n_unique(), len(rows))


def open_batches(store: Store, batches: Sequence[str]) -> list[str]:
    """Those of `batches` with a tweet × target that is neither explained nor failed."""
    return sorted(_open(store).filter(pl.col("batch").is_in(list(batches))).collect()["batch"].unique())


def _open(store: Store) -> pl.LazyFrame:
    columns = ["batch", "tweet_id", "model_version", "method", "baseline", pl.col("targets").alias("target")]
    rows = store.scan("requests").select(columns).explode("target")
    keys = ["tweet_id", "model_version", "target", "method", "baseline"]
    rows = rows.join(store.scan("explanations").select(keys).unique(), on=keys, how="anti")
    return rows.join(store.scan("failures").select("batch", "tweet_id").unique(), on=["batch", "tweet_id"], how="anti")


def outcome(store: Store, batches: Sequence[str]) -> dict[str, int]:
    """explained and unconverged (tweet × target), failed (tweets) of these batches."""
    mine = pl.col("batch").is_in(list(batches))
    made = store.scan("explanations").filter(mine).select("tweet_id", "target", "converged").collect()
    failed = store.scan("failures").filter(mine).select("tweet_id").unique().collect()
    return {"explained": len(made), "unconverged": int((~made["converged"]).sum()), "failed": len(failed)}


def _ask(store: Store, bundle: Bundle, rows: pl.DataFrame, targets: Sequence[str], design: str | None) -> Asked:
    bundle.labels.ids(targets)
    mine = pl.col("model_version") == bundle.model_version
    known = store.scan("explanations").filter(mine, pl.col("target").is_in(list(targets)))
    counts = known.select("tweet_id", "target").unique().group_by("tweet_id").len().collect()
    explained = counts.filter(pl.col("len") == len(targets))["tweet_id"].to_list()
    rows = rows.filter(~pl.col("tweet_id").is_in(explained))
    stem = f"{now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    batches = []
    for number, part in enumerate(rows.iter_slices(BATCH_TWEETS)):
        batch = f"{stem}-{number:05d}"
        request = part.with_columns(
            batch=pl.lit(batch),
            model_version=pl.lit(bundle.model_version),
            targets=pl.lit(list(targets), dtype=pl.List(pl.String())),
            method=pl.lit(METHOD),
            baseline=pl.lit(BASELINE),
            design_id=pl.lit(design, dtype=pl.String()),
            requested_at=pl.lit(now()),
        )
        store.write("requests", batch, request)
        batches.append(batch)
    return Asked(tuple(batches), len(rows), len(rows) * len(targets))
