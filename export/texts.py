"""The texts that graphs are compared on: tweets like those to be classified, and a stress set of odd ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tokenizers import Tokenizer

from camembias import synthetic
from camembias.text import normalise

PARITY_TEXTS = 2000
_SYNTHETIC_SEED = 900
_ODD = (
    "😂", "🔥🔥🔥🔥", "👩‍👩‍👧‍👦 🇫🇷 👍🏽", "!!!", "…", "?!?!?!", "« — »", "a",
    "é", "Ω", "1", "_", "#", "@", "RT", "RT @",
    "https://t.co", "@luvane_12 @vigie #lundi", "NUCLÉAIRE", "nucléaire " * 60, "aaaaaaaaaaaaaaaaaaaaaaaa" * 40,
    "mot " * 1000, "Ядерная энергия и l'avion", "原子力 et la viande", "الطاقة النووية décroissance", "ᄀᄀᄀ각ᆨᆨ",
    "e\u0301\u0301\u0301", "\u202eà l'envers", "a\u00a0b\u202fc", "<s>", "</s> <pad> <mask> <unk>", "\ufffd", "½ ² ﬁ",
    "SELECT * FROM tweets; --", "0" * 280,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Texts:
    """`all` holds `parity` texts of which the first `given` are the user's, then the stress set, all normalised."""

    all: list[str]
    parity: int
    given: int
    truth: Mapping[int, str]  # row → label, where it is known

    @classmethod
    def gather(
        cls, given: list[str], truth: list[str] | None, tokenizer: Tokenizer, max_length: int, count: int
    ) -> Texts:
        normalised = list(map(normalise, given))
        texts = parity_texts(normalised, count)
        known = dict(zip(normalised, truth, strict=True)) if truth is not None else {}
        rows = {row: known[text] for row, text in enumerate(texts) if text in known}
        distinct = len(set(filter(None, normalised)))
        return cls([*texts, *stress_texts(tokenizer, max_length)], len(texts), min(distinct, len(texts)), rows)


def parity_texts(given: list[str], count: int = PARITY_TEXTS) -> list[str]:
    """Normalised distinct texts: `given` first, then invented ones until there are `count`."""
    texts = list(dict.fromkeys(filter(None, map(normalise, given))))[:count]
    known = set(texts)
    while len(texts) < count:
        for text in map(normalise, synthetic.tweets(count, seed=_SYNTHETIC_SEED + len(texts))["text"]):
            if text and text not in known and len(texts) < count:
                known.add(text)
                texts.append(text)
    return texts


def stress_texts(tokenizer: Tokenizer, max_length: int) -> list[str]:
    """Emoji, punctuation, single characters, scripts, over-long texts, and one text of every length in tokens."""
    odd = dict.fromkeys(filter(None, map(normalise, _ODD)))
    return [*odd, *_every_length(tokenizer, max_length)]


def _every_length(tokenizer: Tokenizer, max_length: int) -> list[str]:
    """For each length in tokens a text that has it, as far as words of an invented tweet can be cut to it."""
    words = " ".join(parity_texts([], max_length)).split()
    by_length: dict[int, str] = {}
    for start in range(0, 5 * max_length, 5):
        prefixes = [" ".join(words[start:stop]) for stop in range(start + 1, start + max_length)]
        for text, encoding in zip(prefixes, tokenizer.encode_batch_fast(prefixes), strict=True):
            by_length.setdefault(len(encoding.ids), text)
        if len(by_length) >= max_length - 2:  # <s> and </s> alone would be the empty text, which is never scored
            break
    return [by_length[length] for length in sorted(by_length)]
