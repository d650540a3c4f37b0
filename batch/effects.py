"""The third witness: what a word does to the model, seen by taking it out of tweets that hold it.

The story: candidates and control words of like frequency → tweets that hold them, the same for every run → each word
deleted, replaced by a neutral word of its kind, and deleted once its companions are gone → fp32 logits before and
after, each distinct text scored once whatever words it is of → one part a word, as soon as its texts are scored. Words
of a set phrase hide one another: deleting one changes nothing while the others stand.
It knows texts and logits; what an effect means, with its error and its floor, is said in `sql/views/54_effect.sql`.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from batch.edits import Edit, by_chance, edits_of, neutral_words
from batch.holders import holders
from camembias.bundle import Bundle
from camembias.checkpoint import unknown_id
from camembias.schemas import TABLES
from camembias.scoring import Logits, Scorer, probabilities
from camembias.store import Run, Store, now

FEWEST_CONTROLS = 40  # the floor is a 95th percentile: of fewer words it would be their maximum
_CHUNK = 2048  # texts scored at once, of one word or many: what a killed run loses (0055)


@dataclass(frozen=True, slots=True)
class Word:
    """A word to be edited, with the number of tweets it was seen in; `control` words set the floor."""

    word: str
    tweets: int
    control: bool = False


def with_controls(candidates: Sequence[Word], pool: Sequence[Word], seed: str) -> list[Word]:
    """`candidates`, and for each the unused word of `pool` that is nearest to it in log frequency; at least 40 in all.

    Equally near words are taken in an order that depends on `seed` alone, not on the alphabet.
    """
    named = {word.word for word in candidates}
    left = sorted((word for word in pool if word.word not in named), key=lambda word: by_chance(seed, word.word))
    needed = max(FEWEST_CONTROLS, len(candidates))
    chosen: list[Word] = []
    for turn in range(needed):
        if not left or not candidates:
            break
        like = math.log(max(candidates[turn % len(candidates)].tweets, 1))
        nearest = min(range(len(left)), key=lambda place: abs(math.log(max(left[place].tweets, 1)) - like))
        chosen.append(Word(left[nearest].word, left.pop(nearest).tweets, control=True))
    return [*candidates, *chosen]


@dataclass(frozen=True, slots=True)
class Plan:
    """`words`: those to be edited, each with its tweets (id, text); `texts`: how many distinct ones will be scored;
    `shared`: digests of those that more than one word needs; `skipped`, `unseen`: words done before, or in no tweet."""

    words: Sequence[tuple[Word, Sequence[tuple[str, str]]]]
    neutral: Mapping[str, Sequence[str]]
    outside: frozenset[str]
    texts: int
    shared: frozenset[bytes]
    skipped: int
    unseen: int


def plan(
    bundle: Bundle, store: Store, targets: Sequence[Word], tweets_per_word: int, outside: Collection[str] = ()
) -> Plan:
    """Choose the tweets of each word, and leave out the words that are done.

    A word whose edits are all stored, or that was edited in all of these tweets and more, is skipped. The tweets are
    the first of `holders`, so a larger run contains a smaller one. Words of `outside` do not count for their kind
    (`<hashtag>`).
    """
    with store.shared():
        held = holders(store, [target.word for target in targets], tweets_per_word, outside)
    neutral = neutral_words(target.word for target in targets if target.control)
    chosen, counted = [], Counter[bytes]()
    skipped = unseen = 0
    for target in targets:
        edits = list(edits_of(target.word, held[target.word], neutral, outside))
        if not edits:
            unseen += 1
        elif _stored(store, _part(bundle, target), bundle, target, edits):
            skipped += 1
        else:
            chosen.append((target, held[target.word]))
            counted.update({_digest(text) for edit in edits for text in (edit.before, edit.after)})
    shared = frozenset(digest for digest, words_with in counted.items() if words_with > 1)
    return Plan(chosen, neutral, frozenset(outside), len(counted), shared, skipped, unseen)


def measure(
    scorer: Scorer,
    bundle: Bundle,
    store: Store,
    planned: Plan,
    run: Run,
    advance: Callable[[float], None] = lambda _: None,
) -> None:
    """Write one part of `effects/` for each word of the plan, as soon as its texts are scored.

    A killed run goes on from there: what it wrote is skipped by the next plan. Counts go to `run.counts`; `advance`
    hears of texts.
    """
    run.counts.update(words=0, edits=0, texts=0, skipped=planned.skipped, unseen=planned.unseen)
    known: dict[bytes, Logits] = {}  # of texts that another word needs, too
    for group, texts in _groups(planned, known):
        logits = scorer.logits(texts, advance)  # (texts, labels)
        run.counts["texts"] += len(texts)
        scored = dict(zip(texts, logits, strict=True))
        for target, edits in group:
            wanted = {text: scored.get(text) for edit in edits for text in (edit.before, edit.after)}
            found = {text: known[_digest(text)] if row is None else row for text, row in wanted.items()}
            rows = _rows(bundle, edits, found, run, target)
            store.write("effects", _part(bundle, target), pl.DataFrame(rows, schema=TABLES["effects"]))
            run.counts["words"] += 1
            run.counts["edits"] += len(edits)
        known |= {digest: scored[text] for text in texts if (digest := _digest(text)) in planned.shared}


def _groups(planned: Plan, known: Mapping[bytes, Logits]) -> Iterator[tuple[list[tuple[Word, list[Edit]]], list[str]]]:
    """Words with their edits, and those of their texts that are not known yet: about `_CHUNK` of them each time."""
    group: list[tuple[Word, list[Edit]]] = []
    texts: dict[str, None] = {}
    for target, tweets in planned.words:
        edits = list(edits_of(target.word, tweets, planned.neutral, planned.outside))
        group.append((target, edits))
        both = (text for edit in edits for text in (edit.before, edit.after))
        texts |= dict.fromkeys(text for text in both if _digest(text) not in known)
        if len(texts) >= _CHUNK:
            yield group, list(texts)
            group, texts = [], {}
    if group:
        yield group, list(texts)


def _part(bundle: Bundle, target: Word) -> str:
    return hashlib.sha256(f"{bundle.model_version}\0{target.word}".encode()).hexdigest()[:20]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def write_pieces(scorer: Scorer, bundle: Bundle, store: Store, names: Sequence[str]) -> None:
    """Write how the tokenizer cuts each word, and into how many pieces that it has no token for."""
    unknown = unknown_id(bundle.layout)
    cut = [encoding.ids for encoding in scorer.tokenizer.encode_batch_fast(names, add_special_tokens=False)]
    rows = [
        {"model_version": bundle.model_version, "word": name, "pieces": len(ids), "unknown": ids.count(unknown)}
        for name, ids in zip(names, cut, strict=True)
    ]
    store.write("pieces", bundle.model_version, pl.DataFrame(rows, schema=TABLES["pieces"]))


def _stored(store: Store, part: str, bundle: Bundle, target: Word, edits: Sequence[Edit]) -> bool:
    """Whether these very edits of these tweets are in the part, by the same graph and in the same role.

    A larger run may have other companions than this one; it is kept, because it says more.
    """
    if not store.has_part("effects", part):
        return False
    rows = store.read("effects", part)
    same = rows.filter(serving_version=bundle.serving_version, role=_role(target))
    if {edit.tweet_id for edit in edits} < set(same["tweet_id"]):
        return True
    columns = ["tweet_id", "edit", "replacement", "companions"]
    done = {(*one, None if with_ is None else tuple(with_)) for *one, with_ in same.select(columns).iter_rows()}
    return {(edit.tweet_id, edit.edit, edit.replacement, edit.companions) for edit in edits} <= done


def _role(target: Word) -> str:
    return "control" if target.control else "candidate"


def _rows(
    bundle: Bundle, edits: Sequence[Edit], logits: Mapping[str, Logits], run: Run, target: Word
) -> Iterator[dict[str, object]]:
    """Rows of the table `effects`. `logits` has those of every text, before and after."""
    names, place = bundle.labels.names, {text: row for row, text in enumerate(logits)}
    values = np.stack(list(logits.values()))  # (texts, labels)
    p = probabilities(values, bundle.manifest.temperature)
    when = now()

    def scores(row: int) -> list[dict[str, object]]:
        return [{"label": name, "logit": float(values[row, i]), "p": float(p[row, i])} for i, name in enumerate(names)]

    for edit in edits:
        before, after = place[edit.before], place[edit.after]
        yield {
            "model_version": bundle.model_version,
            "serving_version": bundle.serving_version,
            "word": edit.word,
            "role": _role(target),
            "edit": edit.edit,
            "replacement": edit.replacement,
            "companions": edit.companions,
            "tweet_id": edit.tweet_id,
            "label_before": names[int(values[before].argmax())],
            "label_after": names[int(values[after].argmax())],
            "before": scores(before),
            "after": scores(after),
            "run_id": run.run_id,
            "computed_at": when,
        }
