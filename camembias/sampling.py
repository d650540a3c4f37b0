"""Sampling designs: Poisson sampling with permanent random numbers, so that samples of several designs combine.

A tweet's number u in [0, 1) never changes; a design draws it when u < π. Every rule here is one of strata: π is the
same for all tweets of a stratum, min(1, c · weight), with c such that the π add up to the size asked for. What a
design drew is written down (`draws`), with its π: two designs together draw a tweet when u is under the larger π, and
that one belongs to a design that drew it. So the view `inclusion` needs no look at tweets that nobody drew.
It does not know how a request is made, nor that a queue exists.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from camembias import catalog
from camembias.bundle import Bundle
from camembias.errors import InputError, StoreError
from camembias.schemas import TABLES
from camembias.store import Store, now
from camembias.text import KIND_NAMES, with_kinds, words

UNIFORM, STRATIFIED, WORD = "uniform", "stratified", "word"
STRATEGIES = (UNIFORM, STRATIFIED, WORD)
_HEX = 13  # 52 bits: exact in a double
_CONFIDENCE = ("unsure", "middling", "sure")  # terciles of the margin
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Strata:
    """`keys`: the stratum of every tweet of the frame, (tweets,), null for one that cannot be drawn."""

    rule: str
    keys: pl.Series
    weights: dict[str, float]
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Design:
    row: dict[str, Any]  # of `designs`
    drawn: pl.DataFrame  # tweet_id, label, key, pi, and what else the frame has

    @property
    def design_id(self) -> str:
        return str(self.row["design_id"])


def seed_of(store: Store) -> str:
    """Key of the store's permanent random numbers. Made from its salt, which it does not give away."""
    return hashlib.sha256(f"{store.salt}:sampling".encode()).hexdigest()[:32]


def permanent_random_number(seed: str, tweet_id: str) -> float:
    """Uniform in [0, 1), the same for this seed and tweet for ever (Ohlsson 1995). The view `draws` computes it too."""
    digest = hashlib.sha256(f"{seed}:{tweet_id}".encode()).hexdigest()
    return float(int(digest[:_HEX], 16) / 16.0**_HEX)


def draw(store: Store, bundle: Bundle, strata: Strata, frame: pl.DataFrame, size: int, *how: str) -> Design:
    """Draw about `size` tweets (exactly so in expectation). `how`: method and baseline.

    Raises InputError when there is nothing to draw from.
    """
    if size < 1:
        raise InputError(f"--sample {size}: give a number of tweets of at least 1")
    counts = Counter(key for key in strata.keys if key is not None)
    rates = allocate(counts, strata.weights, size)
    if not rates:
        raise InputError(f"--strategy {strata.rule}: no tweet can be drawn; name words that the tweets hold")
    seed = seed_of(store)
    listed = [{"key": key, "tweets": counts[key], "rate": rates[key]} for key in sorted(rates)]
    drawn = (
        frame.with_columns(key=strata.keys, u=_numbers(seed, frame["tweet_id"]))
        .with_columns(pi=pl.col("key").replace_strict(rates, default=None, return_dtype=pl.Float64()))
        .filter(pl.col("u") < pl.col("pi"))
    )
    chosen = drawn["tweet_id"].to_list()  # as many tweets can be others, after `forget` and new input
    identity = json.dumps([bundle.serving_version, seed, how, frame.height, listed, strata.parameters, chosen])
    design_id = f"{strata.rule}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    row = {
        "design_id": design_id,
        "rule": strata.rule,
        "model_version": bundle.model_version,
        "serving_version": bundle.serving_version,
        "framed_at": frame["classified_at"].max(),
        "frame_tweets": frame.height,
        **dict(zip(("method", "baseline"), how, strict=True)),
        "seed": seed,
        "expected": float(min(size, counts.total())),
        "rates": listed,
        "parameters": json.dumps(strata.parameters, ensure_ascii=False),
        "created_at": now(),
    }
    return Design(row, drawn)


def record(store: Store, design: Design) -> None:
    """Write the design and what it drew. Drawn again, the same design is the same rows again."""
    name = design.design_id
    if not store.has_part("designs", name):
        store.write("draws", name, design.drawn.with_columns(design_id=pl.lit(name)))
        store.write("designs", name, pl.DataFrame([design.row], schema=TABLES["designs"]))


def allocate(sizes: dict[str, int] | Counter[str], weights: dict[str, float], total: float) -> dict[str, float]:
    """Inclusion probability of each stratum: min(1, c · weight), with Σ size · π = min(total, Σ size).

    A weight of size^(-1/2) makes the expected take grow with the square root of the stratum, so that small strata are
    raised (power allocation, Bankier 1988).
    """
    order = sorted(sizes, key=lambda key: (-weights[key], key))  # those that reach 1 first come first
    left, mass = float(min(total, sum(sizes.values()))), sum(sizes[key] * weights[key] for key in order)
    rates: dict[str, float] = {}
    for position, key in enumerate(order):
        if left < mass * (1 - 1e-12) / weights[key]:  # from here on nobody reaches 1
            return rates | {rest: left / mass * weights[rest] for rest in order[position:]}
        rates[key] = 1.0
        left, mass = left - sizes[key], sum(sizes[rest] * weights[rest] for rest in order[position + 1 :])
    return rates


def uniform(frame: pl.DataFrame) -> Strata:
    return Strata(UNIFORM, pl.Series([_ALL] * frame.height, dtype=pl.String()), {_ALL: 1.0})


def stratified(frame: pl.DataFrame) -> Strata:
    """Label × tercile of the margin, small strata raised."""
    edges = [frame["margin"].quantile(part, "linear") or 0.0 for part in (1 / 3, 2 / 3)]
    margin = pl.col("margin").fill_null(0.0)
    bins = pl.when(margin < edges[0]).then(0).when(margin < edges[1]).then(1).otherwise(2)
    names = bins.replace_strict(dict(enumerate(_CONFIDENCE)), return_dtype=pl.String())
    keys = frame.select(pl.concat_str("label", names, separator="/"))["label"]
    return Strata(STRATIFIED, keys, _inverse_root(Counter(keys)), {"margin_edges": edges})


def by_word(texts: Sequence[str], candidates: Collection[str]) -> Strata:
    """Tweets by the rarest candidate word that they hold, rare words raised; tweets that hold none are not drawn.

    π is then the largest over a tweet's candidate words of c · (tweets with the word)^(-1/2).
    """
    wanted = set(candidates)
    held = pl.Series(texts, dtype=pl.String()).str.to_lowercase().str.contains_any(sorted(wanted))  # cuts few tweets up
    found = [
        sorted({word.word for word in words(text)} & wanted) if likely else []
        for text, likely in zip(texts, held, strict=True)
    ]
    frequency = Counter(word for one in found for word in one)
    keys = [min(one, key=lambda word: (frequency[word], word)) if one else None for one in found]
    return Strata(WORD, pl.Series(keys, dtype=pl.String()), _inverse_root(frequency), {"words": len(wanted)})


def reaching(texts: Sequence[str], candidates: Sequence[str], wanted: int, outside: Collection[str] = ()) -> Strata:
    """Tweets by the rarest candidate that they hold, drawn so that `wanted` different texts with each are expected.

    π is then the largest over a tweet's candidates of wanted / (texts with the word). A candidate may be a kind
    (`<hashtag>`), of which words `outside` do not count.
    """
    names, kinds = set(candidates), any(word in KIND_NAMES for word in candidates)
    held = pl.Series(texts, dtype=pl.String()).str.to_lowercase().str.contains_any(sorted(names))
    found = []
    for text, likely in zip(texts, held, strict=True):
        inside = {word.word for word in words(text)} if likely or kinds else set[str]()
        found.append(names & (with_kinds(inside, outside) if kinds else inside))
    frequency = Counter(word for inside in dict(zip(texts, found, strict=True)).values() for word in inside)
    keys = [min(one, key=lambda word: (frequency[word], word)) if one else None for one in found]
    weights = {word: min(1.0, wanted / count) for word, count in frequency.items()}
    return Strata(WORD, pl.Series(keys, dtype=pl.String()), weights, {"words": sorted(names), "wanted": wanted})


def candidate_words(store: Store, bundle: Bundle, top: int = 50, fewest_docs: int = 5) -> list[str]:
    """For each label the `top` words that go with it most in training, by z (Gardner et al. 2021).

    Concept words are left out: nobody asks whether a model of flights looks at `avion`.
    Raises InputError when the store has no training words of this model.
    """
    rows = catalog.run_sql(
        store,
        "SELECT word FROM word_label_association ANTI JOIN concepts USING (word) "
        f"WHERE model_version = '{bundle.model_version}' AND docs >= {int(fewest_docs)} AND pmi > 0 "
        "AND kind IN ('word', 'hashtag', 'handle', 'emoji') "
        f"QUALIFY row_number() OVER (PARTITION BY label ORDER BY z DESC, word) <= {int(top)}",
    )
    if rows.is_empty():
        raise InputError("--strategy word: no training words are known of this model; name some with --word or --words")
    return sorted(set(rows["word"]))


def frame_of(store: Store, bundle: Bundle) -> pl.DataFrame:
    """tweet_id, label, margin, classified_at of every tweet that this serving version classified, by tweet_id.

    Raises StoreError when it classified none.
    """
    predictions = store.scan("predictions")
    mine = predictions.filter(pl.col("serving_version") == bundle.serving_version)
    latest = mine.sort("classified_at", "run_id").unique("tweet_id", keep="last")
    rows = latest.select("tweet_id", "label", "margin", "classified_at").sort("tweet_id").collect()
    if rows.is_empty():
        others = predictions.select("model_version").unique().collect()["model_version"].to_list()
        held = f"it holds those of {', '.join(sorted(others))}" if others else "it holds none"
        raise StoreError(
            f"'{store.root}' has no predictions of model {bundle.model_version} as serving version "
            f"{bundle.serving_version} ({held}); "
            f"run: camembias classify {bundle.layout.root} INPUT --store {store.root}"
        )
    return rows


def longest(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Of each tweet the row that the view `tweets` shows, from rows with `length`, the characters of the text."""
    order = rows.sort("length", "seen_at", "source", descending=[False, False, True])
    return order.unique("tweet_id", keep="last")


def texts_of(store: Store, tweet_ids: pl.Series) -> pl.DataFrame:
    """tweet_id, text in the order of `tweet_ids`; of several texts the longest, then the latest."""
    wanted = pl.DataFrame({"tweet_id": tweet_ids})
    rows = store.scan("tweets").join(wanted.lazy(), on="tweet_id", how="semi")
    best = longest(rows.select("tweet_id", "text", "seen_at", "source", length=pl.col("text").str.len_chars()))
    return wanted.join(best.select("tweet_id", "text").collect(), on="tweet_id", how="left", maintain_order="left")


def _inverse_root(sizes: Counter[str]) -> dict[str, float]:
    return {key: 1 / math.sqrt(size) for key, size in sizes.items()}


def _numbers(seed: str, tweet_ids: pl.Series) -> pl.Series:
    return pl.Series([permanent_random_number(seed, tweet) for tweet in tweet_ids], dtype=pl.Float64())
