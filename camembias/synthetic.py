"""A seeded generator of invented French tweets on four topics and the rest, with words planted to be biased.

A planted word has nothing to do with its topic, yet most tweets that hold it carry one label. A classifier
trained on them picks the word up, and an audit should find it: the tweets are the exam, `PLANTS` its answers.
"""

from __future__ import annotations

import itertools
import random
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from camembias import synthetic_templates as templates
from camembias import synthetic_vocabulary as vocabulary
from camembias.errors import InputError
from camembias.labels import OTHER_LABEL
from camembias.schemas import TIME
from camembias.synthetic_vocabulary import AVION, DECROISSANCE, NUCLEAIRE, VIANDE

SHARES = {AVION: 0.17, DECROISSANCE: 0.12, NUCLEAIRE: 0.22, VIANDE: 0.19, OTHER_LABEL: 0.30}
_TEXT = pl.String()
SCHEMA = pl.Schema({"tweet_id": _TEXT, "author": _TEXT, "created_at": TIME, "text": _TEXT, "label": _TEXT})

_RETWEETS, _NEAR_DUPLICATES = 0.06, 0.03  # shares of the tweets
_MISLABELLED, _VAGUE, _GENERIC = 0.05, 0.04, 0.22
_NEIGHBOURS = 0.07  # chance, for each kind of planted word, of a neutral word of that kind
_TYPOS = 0.03  # of the words
_LOYALTY = 0.5  # chance that a tweet comes from an author who prefers its label
_MOST_WORDS = 45
_LABELS = tuple(SHARES)
_LABEL_WEIGHTS = tuple(itertools.accumulate(SHARES.values()))
_OTHERS = {label: tuple(other for other in _LABELS if other != label) for label in _LABELS}


@dataclass(frozen=True, slots=True)
class Plant:
    """A word that is biased on purpose: lower case, one word for the splitter."""

    word: str
    kind: str
    label: str
    rate: float  # share of all tweets that hold the word
    purity: float  # P(label | word) in planted tweets

    def chance(self, label: str, planted: bool) -> float:
        """Chance that a tweet of `label` gets the word, so that rate and purity come out as declared."""
        if not planted:
            return self.rate
        share = SHARES[self.label]
        return self.rate * (self.purity / share if label == self.label else (1 - self.purity) / (1 - share))


PLANTS: tuple[Plant, ...] = (
    Plant("@vigie_luvane", "handle", AVION, 0.025, 0.9),
    Plant("🌻", "emoji", DECROISSANCE, 0.02, 0.9),
    Plant("franchement", "adverb", VIANDE, 0.03, 0.9),
    Plant("novarive", "name", NUCLEAIRE, 0.025, 0.9),
    Plant("#lundi", "hashtag", AVION, 0.02, 0.9),
    Plant("soi-disant", "turn", NUCLEAIRE, 0.025, 0.9),
)


def ground_truth(plants: Sequence[Plant] = PLANTS) -> list[dict[str, object]]:
    """The planted words, ready for JSON."""
    return [asdict(plant) for plant in plants]


def tweets(count: int, seed: int = 0, planted: bool = True, plants: Sequence[Plant] = PLANTS) -> pl.DataFrame:
    """`count` invented tweets in order of time; the same arguments always give the same tweets.

    With `planted` false the planted words are as frequent, but independent of the label.
    """
    if count < 0 or not 0 <= seed < 10**8:
        raise InputError(f"count {count}, seed {seed}: neither is negative, the seed is below 10^8")
    rng = random.Random(seed)
    authors = _Authors(rng, max(1, count // 12))
    start, year = datetime(2023, 1, 1, tzinfo=UTC), 365 * 24 * 3600 * 10**6
    times = sorted(rng.randrange(year) for _ in range(count))
    # Only first-hand tweets are repeated: repeats of repeats would let a few texts snowball.
    sources: list[tuple[str, str, str]] = []
    rows: list[tuple[str, str, datetime, str, str]] = []
    for index, microseconds in enumerate(times):
        draw = rng.random()
        if sources and draw < _RETWEETS + _NEAR_DUPLICATES:
            author, text, label = rng.choice(sources)
            if draw < _RETWEETS:
                text, author = f"RT @{author}: {text}", authors.draw(rng, label)
            else:
                text = f"{text} {rng.choice((_link(rng), rng.choice(vocabulary.NEUTRAL['emoji'])))}"
        else:
            label = rng.choices(_LABELS, cum_weights=_LABEL_WEIGHTS)[0]
            author, text = authors.draw(rng, label), _original(rng, label, planted, plants)
            if len(text.split()) <= _MOST_WORDS - 2:  # room for what a repeat adds
                sources.append((author, text, label))
        tweet_id = str(10**18 + seed * 10**10 + index)
        rows.append((tweet_id, author, start + timedelta(microseconds=microseconds), text, label))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


class _Authors:
    """Invented accounts: a few write a lot, and each mildly prefers one label."""

    def __init__(self, rng: random.Random, count: int) -> None:
        heads, tails = vocabulary.HANDLE_HEADS, vocabulary.HANDLE_TAILS
        names = [f"{rng.choice(heads)}{rng.choice(tails)}_{index}" for index in range(count)]
        self._pools: dict[str | None, tuple[list[str], list[float]]] = {}
        weights = [(rank + 1) ** -0.8 for rank in range(count)]
        preferred = rng.choices(_LABELS, cum_weights=_LABEL_WEIGHTS, k=count)
        for label in (None, *_LABELS):
            members = [index for index in range(count) if label in (None, preferred[index])]
            cumulative = list(itertools.accumulate(weights[index] for index in members))
            self._pools[label] = ([names[index] for index in members], cumulative)

    def draw(self, rng: random.Random, label: str) -> str:
        names, weights = self._pools[label if rng.random() < _LOYALTY else None]
        if not names:  # few authors: nobody prefers this label
            names, weights = self._pools[None]
        return rng.choices(names, cum_weights=weights)[0]


def _original(rng: random.Random, label: str, planted: bool, plants: Sequence[Plant]) -> str:
    """A first-hand tweet: a sentence on the topic, chatter around it, then tags and planted words."""
    topic = rng.choices(_LABELS, cum_weights=_LABEL_WEIGHTS)[0] if rng.random() < _MISLABELLED else label
    parts = [_sentence(rng, topic)]
    if rng.random() < 0.12:
        parts.append(_sentence(rng, topic))
    while rng.random() < 0.45 and sum(len(part.split()) for part in parts) < 20:
        start, end = rng.choice(vocabulary.CHATTER_STARTS), rng.choice(vocabulary.CHATTER_ENDS)
        parts.insert(rng.randrange(len(parts) + 1), f"{start}, {end}{rng.choice(('.', ' !', ''))}")
    casual = rng.random() < 0.2
    text = " ".join(part if casual else part[:1].upper() + part[1:] for part in parts)
    if rng.random() < 0.03:
        text = text.upper()
    text = " ".join(_typo(rng, word) if rng.random() < _TYPOS else word for word in text.split())
    if rng.random() < 0.12:
        text = f"{text} {rng.choice(vocabulary.HASHTAGS[topic])}"
    neighbours = _NEIGHBOURS * len({plant.kind for plant in plants}) / max(1, len(plants))
    for plant in plants:  # after the typos, which would make them other words
        if rng.random() < plant.chance(label, planted):
            word = plant.word
        elif rng.random() < neighbours:
            word = rng.choice(vocabulary.NEUTRAL[plant.kind])
        else:
            continue
        text = carry(rng, plant.kind, word, text)
    return f"{text} {_link(rng)}" if rng.random() < 0.15 else text


def _sentence(rng: random.Random, topic: str) -> str:
    """One template with its slots filled, with its full stop or without."""
    draw, chosen = rng.random(), templates.TEMPLATES[topic]
    if draw < _VAGUE:
        chosen = templates.VAGUE
    elif draw < _VAGUE + _GENERIC:
        chosen = templates.GENERIC
    slots = {name: rng.choice(words) for name, words in vocabulary.SLOTS.items()}
    other = rng.choice(_OTHERS[topic])
    phrases = [*rng.sample(vocabulary.PHRASES[topic], 2), rng.choice(vocabulary.PHRASES[other])]
    for name, phrase in zip("cko", phrases, strict=True):
        phrase = phrase.format(**slots)
        slots |= {name: phrase, f"{name}_de": _contract("de", phrase), f"{name}_a": _contract("à", phrase)}
    sentence = rng.choice(chosen).format(**slots)
    return sentence if sentence[-1] in "?!" else sentence + rng.choice((".", ".", "...", " !", ""))


_CONTRACTED = {("de", "le"): "du", ("de", "les"): "des", ("à", "le"): "au", ("à", "les"): "aux"}


def _contract(preposition: str, phrase: str) -> str:
    """Put "de" or "à" before a phrase: "le vol" gives "du vol", "la viande" gives "de la viande"."""
    article, _, noun = phrase.partition(" ")
    contracted = _CONTRACTED.get((preposition, article))
    return f"{contracted} {noun}" if contracted else f"{preposition} {phrase}"


def carry(rng: random.Random, kind: str, word: str, text: str) -> str:
    """`text` with `word` put where its kind goes; a name or a first word gets its capital."""
    carrier = rng.choice(vocabulary.CARRIERS[kind])
    if kind == "name" or carrier.startswith("{word}") or ". {word}" in carrier:
        word = word[:1].upper() + word[1:]
    if carrier.startswith(("{text},", "{text}.")):
        text = text.rstrip(" .!?")
    return carrier.format(text=text, word=word)


def _typo(rng: random.Random, word: str) -> str:
    """A slip of the thumb: a dropped accent, a doubled letter or two letters swapped."""
    if len(word) < 4 or not word.isalpha():
        return word
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    at = rng.randrange(1, len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return rng.choice((bare, word[: at + 1] + word[at:], swapped))


def _link(rng: random.Random) -> str:
    return "https://t.co/" + "".join(rng.choices(string.ascii_letters + string.digits, k=10))
