"""From scores of tokens to scores of words, without losing or doubling any.

It knows character offsets and the project's own words. It does not know the model, nor how scores were made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from camembias.text import Word, word_of_character, words


class WordScore(TypedDict):
    """One element of the column `explanations.words`."""

    word: str
    surface: str
    start: int
    stop: int
    score: float


def word_scores(
    text: str, offsets: Sequence[tuple[int, int]], special: Sequence[int], scores: Sequence[float]
) -> tuple[list[WordScore], float]:
    """Scores of the words of `text`, and what belongs to none of them: `<s>`, `</s>`, or a text without words.

    A token over several words is split among them by characters. Both results together add up to sum(scores).
    Words behind the last character that a token covers were cut off before the model read them: they are left out.
    """
    spans = words(text)
    owner = word_of_character(text, spans)
    totals = [0.0] * len(spans)
    special_score = 0.0
    read_until = 0
    for (start, stop), added, score in zip(offsets, special, scores, strict=True):
        owners = Counter() if added else _owners(owner, start, stop)
        if not owners:
            special_score += score
            continue
        for index, characters in owners.items():
            totals[index] += score * characters / owners.total()
            read_until = max(read_until, index + 1)
    kept: list[WordScore] = [
        {"word": span.word, "surface": span.surface, "start": span.start, "stop": span.stop, "score": total}
        for span, total in zip(spans[:read_until], totals, strict=False)
    ]
    return kept, special_score


def token_words(text: str, spans: list[Word], offsets: Sequence[tuple[int, int]], special: Sequence[int]) -> list[int]:
    """For each token, the number of the word that holds most of its characters; -1 for what the tokenizer added."""
    owner = word_of_character(text, spans)
    found = []
    for (start, stop), added in zip(offsets, special, strict=True):
        owners = Counter[int]() if added else _owners(owner, start, stop)
        found.append(owners.most_common(1)[0][0] if owners else -1)
    return found


def _owners(owner: list[int], start: int, stop: int) -> Counter[int]:
    """How many characters of each word a token covers; a token of no characters goes with the one it stands at."""
    covered = owner[start:stop] or owner[start : start + 1] or owner[-1:]
    return Counter(index for index in covered if index >= 0)
