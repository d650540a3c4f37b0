"""How a word is taken out of a tweet: deleted, replaced by a neutral one of its kind, deleted without its companions.

It knows texts and words. It does not know which words are edited, nor what the model says of the result.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from camembias.text import KIND_NAMES, kind, members, normalise, words

COMPANION = 0.5  # share of a word's edited tweets from which another word counts as its companion
# Where the corpus has no control word of a kind: forms that no tweet is about.
_FALLBACKS = {
    "handle": "@compte",
    "hashtag": "#sujet",
    "emoji": "🔹",
    "link": "https://exemple.fr",
    "number": "7",
    "function": "donc",
    "elision": "l'",
    "word": "chose",
    "punctuation": "·",
}


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a word in one tweet: the text with the word, and the text without it."""

    word: str
    edit: str
    replacement: str | None
    companions: tuple[str, ...] | None
    tweet_id: str
    before: str
    after: str


def replaced(text: str, gone: Collection[str], replacement: str = "") -> str:
    """`text` with every occurrence of the words in `gone` deleted, or replaced by `replacement`; normalised."""
    pieces, at = [], 0
    for span in words(text):
        if span.word in gone:
            pieces += [text[at : span.start], replacement]
            at = span.stop
    return normalise("".join([*pieces, text[at:]]))


def companions(word: str, texts: Sequence[str]) -> tuple[str, ...]:
    """The other words that stand in half or more of `texts`, sorted."""
    held = Counter(name for text in texts for name in {span.word for span in words(text)})
    return tuple(sorted(name for name, count in held.items() if name != word and count >= COMPANION * len(texts)))


def edits_of(
    word: str,
    tweets: Sequence[tuple[str, str]],
    neutral: Mapping[str, Sequence[str]],
    outside: Collection[str] = (),
) -> Iterator[Edit]:
    """Of the edits `alone` all or none: none where under half of the tweets have words left."""
    if word in KIND_NAMES:
        yield from _of_kind(word, tweets, outside)
        return
    others = companions(word, [text for _, text in tweets])
    alone = []
    for tweet_id, text in tweets:
        if without := replaced(text, {word}):
            yield Edit(word, "delete", None, None, tweet_id, text, without)
        choice = replacement(word, neutral, tweet_id)
        yield Edit(word, "replace", choice, None, tweet_id, text, replaced(text, {word}, choice))
        if others and (rest := replaced(text, {word, *others})):
            alone.append(Edit(word, "alone", None, others, tweet_id, replaced(text, others), rest))
    if 2 * len(alone) >= len(tweets):
        yield from alone


def _of_kind(name: str, tweets: Sequence[tuple[str, str]], outside: Collection[str]) -> Iterator[Edit]:
    """All words of a kind deleted, from the tweet and from what it is once each of them is the same neutral one.

    The first is what these words do, the second what any word of the kind would do in their place.
    """
    choice = _FALLBACKS[KIND_NAMES[name]]
    for tweet_id, text in tweets:
        gone = members(name, {span.word for span in words(text)}, outside)
        if without := replaced(text, gone):
            yield Edit(name, "delete", None, None, tweet_id, text, without)
            yield Edit(name, "neutral", choice, None, tweet_id, replaced(text, gone, choice), without)


def neutral_words(controls: Iterable[str]) -> dict[str, list[str]]:
    """Control words by kind; adverbs in -ment are a kind of their own, because only they can stand for one another."""
    found: dict[str, list[str]] = {}
    for word in controls:
        found.setdefault(_kind(word), []).append(word)
    return found


def replacement(word: str, neutral: Mapping[str, Sequence[str]], tweet_id: str) -> str:
    """A neutral word of the same kind, another for each tweet, the same in every run."""
    pool = [other for other in neutral.get(_kind(word), ()) if other != word]
    if not pool:
        fallback = _FALLBACKS["word" if (name := _kind(word)) == "adverb" else name]
        return fallback if fallback != word else "autre"
    return min(pool, key=lambda other: by_chance(tweet_id, other))


def _kind(word: str) -> str:
    name = kind(word)
    return "adverb" if name == "word" and word.endswith("ment") and len(word) > 6 else name


def by_chance(seed: str, word: str) -> bytes:
    """A key to sort words by: in an order that depends on `seed` alone, not on the alphabet."""
    return hashlib.sha256(f"{seed}\0{word}".encode()).digest()
