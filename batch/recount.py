"""What the shares of the labels would be without some words: the tweets that hold them, classified once more without.

The story: of all tweets that the serving version has classified, those that hold a word, or a simple random sample of
them → its words deleted from each; and beside it as many control words instead, because what is left of a tweet is
clumsier French whatever goes → labels by the path that serves → one part a set of words.
It knows stored labels and texts. Shares, with their intervals, are made in `sql/queries/recounted_shares.sql`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from batch.classifier import Classifier
from batch.edits import by_chance, replaced
from batch.holders import tweets_with
from camembias.bundle import Bundle
from camembias.sampling import frame_of, longest, permanent_random_number, seed_of
from camembias.schemas import TABLES
from camembias.store import Run, Store, now
from camembias.text import words

_CHUNK = 1024  # tweets classified at once: bounds memory, and lets the progress bar move


@dataclass(frozen=True, slots=True)
class Recounted:
    """A tweet of the recount: its stored label, its words of the recount, and control words to take out instead.

    With what is then left of it: "" where that is nothing, or there is no control word.
    """

    tweet_id: str
    label: str
    words: tuple[str, ...]
    others: tuple[str, ...]
    without: str
    without_others: str
    month: date | None


@dataclass(frozen=True, slots=True)
class Plan:
    """`frame`: tweets a label, as classified; `holders`: how many hold one of `words`; `tweets`: those to recount;
    `rest`: how many of the frame are not recounted, by month and label."""

    words: tuple[str, ...]
    frame: dict[str, int]
    holders: int
    tweets: Sequence[Recounted]
    rest: list[dict[str, Any]]


def plan(store: Store, bundle: Bundle, suspects: Collection[str], controls: Collection[str], most: int) -> Plan:
    """At most so many tweets with a word of `suspects`: those of the smallest permanent random numbers.

    Raises StoreError when this serving version has classified nothing.
    """
    labelled = frame_of(store, bundle)
    counts = dict(labelled["label"].value_counts().iter_rows())
    with store.shared():
        rows = [(tweet_id, text) for tweet_id, text, _, _ in tweets_with(store, suspects)]
        labelled = labelled.join(_months(store), on="tweet_id", how="left")
    texts = pl.DataFrame(rows, schema={"tweet_id": pl.String(), "text": pl.String()}, orient="row")
    held = texts.unique("tweet_id").join(labelled.select("tweet_id", "label", "month"), on="tweet_id")
    seed = seed_of(store)
    numbers = [permanent_random_number(seed, one) for one in held["tweet_id"]]
    chosen = held.with_columns(u=pl.Series(numbers, dtype=pl.Float64())).sort("u", "tweet_id").head(most)
    tweets = [
        _recounted(row, set(suspects), set(controls))
        for row in chosen.select("tweet_id", "text", "label", "month").iter_rows()
    ]
    frame = {name: counts.get(name, 0) for name in bundle.labels.names}
    rest = labelled.join(chosen, on="tweet_id", how="anti").select("month", "label", tweets=pl.lit(1, pl.Int64()))
    labels = pl.DataFrame({"label": bundle.labels.names, "tweets": 0}).with_columns(month=None)
    rest = pl.concat([rest, labels.select(pl.col(one).cast(kind) for one, kind in rest.schema.items())])
    summed = rest.group_by("month", "label", maintain_order=True).sum().to_dicts()
    return Plan(tuple(sorted(suspects)), frame, len(held), tweets, summed)


def _months(store: Store) -> pl.DataFrame:
    """tweet_id, month (its first day, UTC; null without a time) of every stored tweet."""
    rows = store.scan("tweets").with_columns(length=pl.col("text").str.len_chars())
    shown = longest(rows.select("tweet_id", "length", "seen_at", "source", "created_at"))
    return shown.select("tweet_id", month=pl.col("created_at").dt.truncate("1mo").dt.date()).collect()


def _recounted(row: tuple[Any, ...], suspects: set[str], controls: set[str]) -> Recounted:
    tweet_id, text, label, month = row
    inside = {span.word for span in words(text)}
    mine = sorted(inside & suspects)
    drawn = sorted(inside & controls - suspects, key=lambda word: by_chance(tweet_id, word))[: len(mine)]
    left = replaced(text, drawn) if drawn else ""
    return Recounted(tweet_id, label, tuple(mine), tuple(sorted(drawn)), replaced(text, mine), left, month)


def recount(
    classifier: Classifier, store: Store, planned: Plan, run: Run, advance: Callable[[int], None] = lambda _: None
) -> str:
    """Classify the tweets of `planned` without the words, write what they then are, and return the recount's id.

    The same words of the same serving version are the same recount: done again, it takes the place of the last one.
    `advance` hears of texts, two a tweet.
    """
    bundle = classifier.bundle
    name = hashlib.sha256("\0".join([bundle.serving_version, *planned.words]).encode()).hexdigest()[:20]
    rows: list[dict[str, object]] = []
    for start in range(0, len(planned.tweets), _CHUNK):
        tweets = planned.tweets[start : start + _CHUNK]
        labels = _labels(classifier, [text for one in tweets for text in (one.without, one.without_others)], advance)
        rows += [
            {
                "recount": name,
                "tweet_id": one.tweet_id,
                "words": one.words,
                "others": one.others,
                "label": one.label,
                "label_without": labels.get(one.without, one.label),
                "label_without_others": labels.get(one.without_others, one.label),
                "month": one.month,
            }
            for one in tweets
        ]
    row = {
        "recount": name,
        "model_version": bundle.model_version,
        "serving_version": bundle.serving_version,
        "words": planned.words,
        "frame": [{"label": label, "tweets": tweets} for label, tweets in planned.frame.items()],
        "holders": planned.holders,
        "tweets": len(rows),
        "rest": planned.rest,
        "run_id": run.run_id,
        "computed_at": now(),
    }
    store.write("recounted", name, pl.DataFrame(rows, schema=TABLES["recounted"]))
    store.write("recounts", name, pl.DataFrame([row], schema=TABLES["recounts"]))
    run.counts.update(words=len(planned.words), holders=planned.holders, tweets=len(rows))
    return name


def _labels(classifier: Classifier, texts: Sequence[str], advance: Callable[[int], None]) -> dict[str, str]:
    """Of each text that is not empty, as `classify` would have it."""
    distinct = [text for text in dict.fromkeys(texts) if text]
    logits, _ = classifier.scores(classifier.encode(distinct))
    advance(len(texts))
    names = classifier.bundle.labels.names
    return {text: names[best] for text, best in zip(distinct, logits.argmax(axis=1), strict=True)}
