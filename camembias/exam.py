"""An exam for the audit itself: words planted to be biased, at several purities, and marks for what it says of them.

The audit is not to blame for what a model ignores, and must not confirm it. So each finding is held against two
things that it never sees: the generator (do word and label go together in a fresh draw of tweets?) and an oracle
(does the word, put into tweets that do not hold it, move the label by more than the floor?).
It knows invented tweets, logits and rows of the verdict. It does not know how a model is trained or explained.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from camembias.scoring import Scorer
from camembias.synthetic import SHARES, Plant, carry, tweets
from camembias.text import normalise, words

_TEXT, _REAL, _WHOLE = pl.String(), pl.Float64(), pl.Int64()
_GRADED: Final = {
    **{"word": _TEXT, "kind": _TEXT, "label": _TEXT, "purity": _REAL, "docs": _WHOLE, "tweets": _WHOLE},
    **{"oracle": _REAL, "used": pl.Boolean(), "verdict": _TEXT, "p_verdict": _REAL, "q_verdict": _REAL},
}
Pair = tuple[str, str]  # a word and a label
Effects = Mapping[str, npt.NDArray[np.float64]]  # of a word on each label, (labels,), centred logits

PURITIES: Final = (0.6, 0.7, 0.8, 0.9, 0.95)
RATES: Final = (0.012, 0.02, 0.03)
_LOOKED_AT = 800  # texts, for those without a word
ENOUGH_TWEETS = 50  # explained tweets with it, from which a used plant has to be found
LEAST_Z = 3.0  # of a word and a label in the fresh draw, for their association to be a fact
# As many of each kind as there are purities; which word gets which is drawn.
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "handle": ("@relais_dovar", "@marnelline", "@okto_presse", "@fil_de_brenne", "@vox_talune"),
    "emoji": ("🦊", "🪁", "🧭", "🎈", "🧩"),
    "adverb": ("carrément", "visiblement", "forcément", "apparemment", "étonnamment"),
    "name": ("sorelia", "umbrance", "dextivia", "florival", "aldéria"),
    "hashtag": ("#jeudi", "#matinale", "#debrief", "#lecture", "#pausecafé"),
    "turn": ("cahin-caha", "clopin-clopant", "là-dessus", "vis-à-vis", "pêle-mêle"),
}


def plants(seed: int) -> tuple[Plant, ...]:
    """Thirty words of six kinds, each kind at every purity, with labels and rates dealt evenly; the same for a seed."""
    rng = random.Random(f"exam {seed}")
    count = len(_WORDS) * len(PURITIES)
    labels = rng.sample([list(SHARES)[turn % len(SHARES)] for turn in range(count)], count)
    rates = rng.sample([RATES[turn % len(RATES)] for turn in range(count)], count)
    sown: list[tuple[str, str, float]] = [
        (word, kind, purity)
        for kind, pool in _WORDS.items()
        for word, purity in zip(pool, rng.sample(PURITIES, len(PURITIES)), strict=True)
    ]
    return tuple(
        Plant(word, kind, label, rate, purity)
        for (word, kind, purity), label, rate in zip(sown, labels, rates, strict=True)
    )


def associations(labelled: pl.DataFrame) -> dict[Pair, float]:
    """z of each word that occurs and each label (Gardner et al. 2021), counted over texts."""
    share = dict(labelled["label"].value_counts(normalize=True).iter_rows())
    held: Counter[str] = Counter()
    both: Counter[Pair] = Counter()
    for text, label in labelled.select("text", "label").iter_rows():
        found = {span.word for span in words(normalise(text))}
        held.update(found)
        both.update((word, label) for word in found)
    return {
        (word, label): (both[word, label] / n - p) / np.sqrt(p * (1 - p) / n)
        for word, n in held.items()
        for label, p in share.items()
    }


def fresh_associations(planted: Sequence[Plant], seed: int, count: int = 30_000) -> dict[Pair, float]:
    """`associations` of tweets that nobody has seen, by the generator that wrote the training tweets."""
    return associations(tweets(count, seed=10_000 + seed, planted=bool(planted), plants=planted))


def tied(association: Mapping[Pair, float]) -> dict[str, list[str]]:
    """Label → words that go with it, or keep away from it, in the generator."""
    found: dict[str, list[str]] = {}
    for (word, label), z in sorted(association.items()):
        if abs(z) >= LEAST_Z:
            found.setdefault(label, []).append(word)
    return found


def insertion_effects(
    scorer: Scorer, planted: Sequence[Plant], others: Collection[str], texts: Sequence[str], count: int = 500
) -> Effects:
    """The oracle: mean change of centred logits when a word is put into up to `count` texts without it.

    A planted word is put where its kind goes and spelt as there, by the generator's own hand; another one stands before
    or after the text, in the spelling that is most frequent in `texts`. A model reads "Dovar" and "dovar" as two words.
    """
    kinds = {plant.word: plant.kind for plant in planted}
    clean = [normalise(text) for text in texts]
    spans = [words(text) for text in clean]
    spelt = Counter((span.word, span.surface) for found in spans for span in found)
    spelling = {word: surface for (word, surface), _ in reversed(spelt.most_common())}
    held = [{span.word for span in found} for found in spans[:_LOOKED_AT]]
    before = scorer.logits(clean[:_LOOKED_AT]).astype(np.float64)
    found = {}
    for word in sorted({*kinds, *others}):
        rows = [row for row, inside in enumerate(held) if word not in inside][:count]
        after = [_with(word, spelling.get(word, word), kinds.get(word), clean[row], row) for row in rows]
        change = scorer.logits(after) - before[rows]
        found[word] = (change - change.mean(axis=1, keepdims=True)).mean(axis=0)
    return found


def _with(word: str, spelt: str, kind: str | None, text: str, row: int) -> str:
    if kind is not None:
        return carry(random.Random(f"{word} {row}"), kind, word, text)
    return f"{spelt} {text}" if row % 2 else f"{text} {spelt}"


@dataclass(frozen=True, slots=True)
class Truth:
    """What the audit should find: `planted` words, what goes together in the generator, what moves the model."""

    planted: Sequence[Plant]
    association: Mapping[Pair, float]
    effect: Mapping[Pair, float]  # of insertion, centred logits; of planted and of edited words
    floor: float  # centred logits that an effect must exceed to count

    def holds(self, word: str, label: str, sign: int) -> bool:
        """Whether word and label go together (+1), or do not (-1), and the word moves the model that way."""
        pair = (word, label)
        return sign * self.association.get(pair, 0.0) >= LEAST_Z and sign * self.effect[pair] > self.floor

    @property
    def used(self) -> list[Plant]:
        return [plant for plant in self.planted if self.effect[plant.word, plant.label] > self.floor]


def graded(verdicts: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """One row a planted word: what was planted, what the oracle says of it, and what the audit said."""
    rows = {(row["word"], row["label"]): row for row in verdicts.iter_rows(named=True)}
    used = {plant.word for plant in truth.used}
    graded = []
    for plant in truth.planted:
        said = rows.get((plant.word, plant.label), {})
        row = {name: said.get(name) for name in ("docs", "tweets", "verdict", "p_verdict", "q_verdict")}
        row |= {name: getattr(plant, name) for name in ("word", "kind", "label", "purity")}
        graded.append({**row, "oracle": truth.effect[plant.word, plant.label], "used": plant.word in used})
    return pl.DataFrame(graded, schema=_GRADED)


def discoveries(verdicts: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """One row a confirmed pair: word, label, verdict, q_verdict, planted, and whether it is `true`."""
    names = {plant.word for plant in truth.planted}
    found = verdicts.filter(pl.col("verdict").is_in(["confirmed_bias", "confirmed_away"]))
    signs = found["verdict"].replace_strict({"confirmed_bias": 1, "confirmed_away": -1}, return_dtype=pl.Int8())
    pairs = zip(found["word"], found["label"], signs, strict=True)
    return found.select("word", "label", "verdict", "q_verdict").with_columns(
        planted=pl.Series([word in names for word in found["word"]], dtype=pl.Boolean()),
        true=pl.Series([truth.holds(*pair) for pair in pairs], dtype=pl.Boolean()),
    )


def ranked(scores: Sequence[float], relevant: Sequence[bool]) -> list[bool]:
    """`relevant` by falling score, ties taken at their worst: a tie is no knowledge."""
    return [hit for _, hit in sorted(zip(scores, relevant, strict=True), key=lambda item: (-item[0], item[1]))]


def average_precision(order: Sequence[bool]) -> float:
    """Mean of precision at each relevant item of a ranking; nan without any."""
    hits = [rank for rank, hit in enumerate(order, 1) if hit]
    return sum(place / rank for place, rank in enumerate(hits, 1)) / len(hits) if hits else float("nan")


def rankings(witnesses: pl.DataFrame, truth: Truth) -> dict[str, tuple[float, float]]:
    """Average precision, and precision among the first k, of the k true pairs, for each witness and the verdict.

    `witnesses`: word, label, and the one-sided p towards the label of each, in columns named for them, of words that
    have all three. Empty where no pair is true.
    """
    relevant = [truth.holds(word, label, 1) for word, label in witnesses.select("word", "label").iter_rows()]
    k = sum(relevant)
    found = {}
    for name in witnesses.drop("word", "label").columns if k else ():
        order = ranked((-witnesses[name].fill_null(1.0).clip(1e-300).log(10)).to_list(), relevant)
        found[name] = (average_precision(order), sum(order[:k]) / k)
    return found


def standing_alone(witnesses: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Rows of planted words, and of words that go with no label in the generator.

    Left out are all others that do, because many are of its set phrases, which carry one another: deleting one changes
    nothing, inserting it, as the oracle does, moves the label.
    """
    topical = {word for words in tied(truth.association).values() for word in words}
    return witnesses.filter(~pl.col("word").is_in(topical - {plant.word for plant in truth.planted}))


def marks(table: pl.DataFrame, found: pl.DataFrame) -> dict[str, float | int | None]:
    """Sums of `graded` and `discoveries`: recall over used plants, false discoveries, and the weakest plant found.

    The weakest is the smallest effect, by the oracle, of a used plant that was confirmed; None where none was.
    """
    confirmed, used = pl.col("verdict") == "confirmed_bias", pl.col("used")
    enough = table.filter(used & (pl.col("tweets") >= ENOUGH_TWEETS))
    said = table.filter(used & confirmed)
    sums = {"plants": table.height, "used": table.filter(used).height, "used_confirmed": said.height}
    for purity in PURITIES:
        sums[f"used_{purity:.0%}"] = (these := enough.filter(purity=purity)).height
        sums[f"confirmed_{purity:.0%}"] = these.filter(confirmed).height
    return {
        **sums,
        "unused_confirmed": table.filter(~used & confirmed).height,
        "discoveries": found.height,
        "false_discoveries": found.filter(~pl.col("true")).height,
        "weakest_found": min(said["oracle"], default=None),
    }


def passed(marks: Mapping[str, Any]) -> bool:
    """No word confirmed that the model ignores, no more false discoveries than 5 % allow, 95 % of the sure ones found.

    More than 5 % allow: so many come up in less than one exam of twenty when each discovery is false by that chance.
    Sure are used plants of 90 % purity and more, in enough explained tweets; an exam without any says nothing.
    """
    from scipy.stats import binomtest

    sure = sum(marks[f"used_{purity:.0%}"] for purity in PURITIES[-2:])
    found = sum(marks[f"confirmed_{purity:.0%}"] for purity in PURITIES[-2:])
    told = marks["discoveries"]
    few_false = not told or binomtest(marks["false_discoveries"], told, 0.05, alternative="greater").pvalue > 0.05
    tested = sure > 0 or not marks["plants"]
    return bool(few_false and tested and not marks["unused_confirmed"] and found >= 0.95 * sure)
