"""How far one gets without reading: from the author alone, hashtags, handles, links' domains, emojis, the length.

Where one of them predicts the label well, a model can look good on these tweets for a reason that will not hold on
others. A shortcut is **named** when its Matthews correlation with the label is at least 0.1 above that of the largest
label, which is 0: by the lower end of its 95 % interval, or by the estimate where there are too few clusters for one.
Accuracy would miss a shortcut to rare labels, and a blind guess that varies beats the largest label in macro-F1; a
blind guess of any kind has a Matthews correlation of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import BernoulliNB

from camembias import concepts
from camembias.labels import Labels
from camembias.text import kind, words
from train.baselines import folds_of
from train.confusion import Ids
from train.intervals import bootstrap, clusters
from train.scores import overall

MARGIN = 0.1  # of Matthews correlation


def report(rows: pl.DataFrame, labels: Labels, seed: int = 0) -> dict[str, Any]:
    """Scores of each shortcut on all `rows`, every row answered by the others, and which are named."""
    rows = rows.unique("tweet_id", keep="first").sort("tweet_id")
    truth = np.array(labels.ids(rows["label"].to_list()), dtype=np.int64)
    by = clusters(rows)
    said: dict[str, Ids] = {"largest label": np.full(len(rows), np.bincount(truth).argmax(), dtype=np.int64)}
    if rows["author"].null_count() < len(rows):
        said["author"] = by_other_tweets(rows["author"].to_list(), truth)
    fold = folds_of(truth, rows["duplicate_group"].to_numpy(), seed)
    texts = rows["text"].to_list()
    bags = {name: [features(text) for text in texts] for name, features in _SEEN.items()} | {"length": _lengths(texts)}
    if fold is not None:
        said |= {name: _cross_validated(found, truth, fold) for name, found in bags.items() if any(found)}
    drawn = bootstrap(truth, list(said.values()), len(labels), by, seed)
    alone = {
        name: overall(truth, predicted, counts, labels)
        for (name, predicted), counts in zip(said.items(), drawn, strict=True)
    }
    for row in alone.values():
        interval = row["intervals"]["mcc"]
        row["named"] = (interval[0] if interval else row["mcc"]) >= MARGIN
    for name in _SEEN:
        if name in alone:
            alone[name]["tweets_with"] = float(np.mean(list(map(bool, bags[name]))))
    return {
        "tweets": len(rows),
        "margin": MARGIN,
        "unit": by.unit,
        "none_because": by.too_few,
        "alone": alone,
        "named": [name for name, row in alone.items() if row["named"]],
    }


def by_other_tweets(authors: Sequence[str | None], truth: Ids) -> Ids:
    """The most frequent label of the same author's other tweets; of all other tweets where there are none.

    Among equally frequent ones, the label that is more frequent in all other tweets.
    """
    size = int(truth.max(initial=0)) + 1
    overall = np.bincount(truth, minlength=size)
    place = pl.Series(authors, dtype=pl.String()).fill_null("").rank("dense").cast(pl.Int64).to_numpy() - 1
    counts = np.zeros((int(place.max(initial=0)) + 1, size))
    known = np.array([author is not None for author in authors], dtype=bool)
    np.add.at(counts, (place[known], truth[known]), 1)
    rows = np.arange(len(truth))
    others = np.where(known[:, None], counts[place], 0.0)
    others[rows[known], truth[known]] -= 1
    everyone = np.tile(overall, (len(truth), 1)).astype(float)
    everyone[rows, truth] -= 1
    # The overall count, below 1, only decides between equals, and alone where the author has no other tweet.
    return np.asarray((others + everyone / (len(truth) + 1)).argmax(axis=1), dtype=np.int64)


def variants(texts: Sequence[str], labels: Labels, mask_token: str) -> dict[str, list[str]]:
    """Two rewritings of each text: its concept words masked, and everything but them masked.

    Concept words are those that the shipped file lists for any of `labels`: a model needs them, and little else.
    """
    listed = concept_words(labels)
    masked, only = [], []
    for text in texts:
        spans = words(text)
        masked.append(_rewritten(text, [span for span in spans if span.word in listed], mask_token))
        only.append(_rewritten(text, [span for span in spans if span.word not in listed], mask_token))
    return {"concepts_masked": masked, "only_concepts": only}


def concept_words(labels: Labels) -> set[str]:
    """The shipped concept words of all `labels` together."""
    shipped = concepts.read()
    return {word for name in labels.names for word in shipped.get(name, [])}


def _rewritten(text: str, spans: Sequence[Any], mask_token: str) -> str:
    pieces, at = [], 0
    for span in spans:
        pieces += [text[at : span.start], mask_token]
        at = span.stop
    return "".join([*pieces, text[at:]])


def _of_kind(wanted: str) -> Callable[[str], list[str]]:
    return lambda text: [word.word for word in words(text) if kind(word.word) == wanted]


def _domains(text: str) -> list[str]:
    links = _of_kind("link")(text)  # normalised text keeps scheme and host alone
    return [link.split("//")[-1].removeprefix("www.") for link in links]


def _lengths(texts: Sequence[str]) -> list[list[str]]:
    """For each text, which of eight ranges its number of characters is in, and its number of words."""
    bags: list[list[str]] = [[] for _ in texts]
    for what, lengths in {
        "characters": [len(text) for text in texts],
        "words": [len(text.split()) for text in texts],
    }.items():
        ranges = np.searchsorted(np.quantile(lengths, np.linspace(0, 1, 9)[1:-1]), lengths)
        for bag, place in zip(bags, ranges, strict=True):
            bag.append(f"{what} {place}")
    return bags


_SEEN = {
    "hashtags": _of_kind("hashtag"),
    "handles": _of_kind("handle"),
    "link domains": _domains,
    "emojis": _of_kind("emoji"),
}


def _cross_validated(bags: Sequence[list[str]], truth: Ids, fold: Ids) -> Ids:
    """Out-of-fold ids of naive Bayes on bags of features, (tweets,)."""
    table = CountVectorizer(analyzer=list, binary=True).fit_transform(bags)
    said = np.zeros(len(bags), dtype=np.int64)
    for number in np.unique(fold):
        fit, score = fold != number, fold == number
        said[score] = BernoulliNB().fit(table[fit], truth[fit]).predict(table[score])
    return said
