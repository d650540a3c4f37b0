"""Requests to explain, written to the store as batches; what is explained, or waits already, is not asked again.

The tweets' texts lie beside the requests until they are explained. It does not know how a batch reaches a worker.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from camembias import progress, sampling, tombstones
from camembias.bundle import Bundle
from camembias.errors import InputError
from camembias.schemas import TABLES
from camembias.store import Store, now
from camembias.text import normalise, text_hash

METHOD = "integrated_gradients"
BASELINES = ("mask", "pad", "zero")
BATCH_MS = 2000  # measured work in a batch; a worker stops in one that takes longer (explain_worker/giving_way.py)
_BATCH_TWEETS = 16  # until a worker has measured anything
_LARGEST_BATCH = 256  # tweets
_RECENT = 8  # parts of explanations that are looked at for what they took
_SAMPLE = "sample"
_TEXT = "text"
_TWEET = "tweet"
URGENT = (_TEXT, _TWEET)  # somebody waits for them


@dataclass(frozen=True, slots=True)
class How:
    """What is explained of each tweet: `targets` empty means the label that the tweet was given."""

    targets: tuple[str, ...]
    baseline: str = BASELINES[0]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """`batches` are to be queued; `waiting` were asked earlier and hold wanted tweets that are not explained yet."""

    tweet_ids: tuple[str, ...]  # all that were wanted, explained before or not
    batches: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    tweets: int = 0  # in `batches`
    explanations: int = 0  # tweet × target in `batches`
    urgent: bool = False

    @property
    def all_batches(self) -> tuple[str, ...]:
        return (*self.batches, *self.waiting)


def ask_sample(
    store: Store, bundle: Bundle, size: int, strategy: str, how: How, candidates: Sequence[str] = ()
) -> Asked:
    """A Poisson sample of expected size `size`. It is recorded as a design when all labels are explained: otherwise
    what is explained depends on the outcome, and the tweets count as hand-picked."""
    frame = sampling.frame_of(store, bundle)
    if strategy == sampling.WORD:
        strata = sampling.by_word(sampling.texts_of(store, frame["tweet_id"])["text"].to_list(), candidates)
    else:
        strata = sampling.stratified(frame) if strategy == sampling.STRATIFIED else sampling.uniform(frame)
    design = sampling.draw(store, bundle, strata, frame, size, METHOD, how.baseline)
    if recorded := set(how.targets) == set(bundle.labels.names):
        sampling.record(store, design)
    drawn = design.drawn.select("tweet_id", "label")
    return _ask(store, bundle, drawn, how, _SAMPLE, design.design_id if recorded else None)


def ask_words(
    store: Store,
    bundle: Bundle,
    words: Sequence[str],
    wanted: int,
    budget: int,
    how: How,
    outside: Collection[str] = (),
) -> tuple[Asked, tuple[str, ...]]:
    """Tweets with the first of `words`, drawn so that `wanted` texts with each are to be expected; and which words.

    About `budget` tweets at most that are not explained yet; where one word needs more, so many for it. What is drawn
    depends on words and texts, never on what an explanation said.
    """
    frame = sampling.frame_of(store, bundle)
    texts = sampling.texts_of(store, frame["tweet_id"])["text"].fill_null("").to_list()
    scope = pl.lit(bundle.model_version), pl.lit(METHOD), pl.lit(how.baseline)
    done = (pl.col("model_version") == scope[0]) & (pl.col("method") == scope[1]) & (pl.col("baseline") == scope[2])
    explained = store.scan("explanations").filter(done).select("tweet_id").unique().collect()

    def drawn(count: int) -> tuple[sampling.Design, int] | None:
        strata = sampling.reaching(texts, words[:count], wanted, outside)
        size = sum(strata.weights[key] for key in strata.keys.drop_nulls())
        if not size:
            return None
        design = sampling.draw(store, bundle, strata, frame, max(1, round(size)), METHOD, how.baseline)
        return design, design.drawn.join(explained, on="tweet_id", how="anti").height

    low, high, best = 0, len(words), drawn(1)
    while low < high:  # more words are more tweets
        middle = (low + high + 1) // 2
        found = drawn(middle)
        if found is None or found[1] <= budget:  # None: no tweet of this frame holds one
            low, best = middle, found
        else:
            high = middle - 1
    if best is None:
        return Asked(()), ()
    design, fresh = best
    if fresh > budget:
        strata = sampling.reaching(texts, words[:1], wanted, outside)
        design = sampling.draw(store, bundle, strata, frame, budget, METHOD, how.baseline)
    sampling.record(store, design)
    drawn_rows = design.drawn.select("tweet_id", "label")
    return _ask(store, bundle, drawn_rows, how, _SAMPLE, design.design_id), tuple(words[: max(low, 1)])


def ask_tweets(store: Store, bundle: Bundle, tweets: Sequence[str], how: How, by: str = _TWEET) -> Asked:
    """Hand-picked tweets, by id. Raises InputError for one that the store has not classified."""
    if gone := sorted(tombstones.forgotten(store, tweets)):
        raise InputError(f"tweet '{gone[0]}' was forgotten: it is not stored, and cannot be explained")
    frame = sampling.frame_of(store, bundle).filter(pl.col("tweet_id").is_in(list(tweets)))
    if missing := sorted(set(tweets) - set(frame["tweet_id"])):
        raise InputError(
            f"tweet '{missing[0]}' is not among those that model {bundle.model_version} classified in '{store.root}'; "
            "see: camembias sql 'SELECT tweet_id FROM predictions'"
        )
    return _ask(store, bundle, frame.select("tweet_id", "label"), how, by)


def ask_text(store: Store, bundle: Bundle, text: str, how: How) -> Asked:
    """A text that need not be a tweet; its id is made from the text. All labels are explained: none is known yet."""
    normalised = normalise(text)
    if not normalised:
        raise InputError("--text is empty after normalising; give some words")
    if not store.has_part("models", bundle.serving_version):
        store.register_model(bundle)  # queries need its labels
    row = {"tweet_id": f"text-{text_hash(normalised)}", "label": None, "text": normalised}
    if tombstones.forgotten(store, [row["tweet_id"]]):
        raise InputError("--text is that of a forgotten tweet, and would be stored with its explanation; use another")
    schema = {name: pl.String() for name in ("tweet_id", "label", "text")}
    how = How(bundle.labels.names, how.baseline, how.again)
    return _ask(store, bundle, pl.DataFrame([row], schema=schema), how, _TEXT)


def ask_unfinished(store: Store, bundle: Bundle) -> Asked:
    """What was asked of this model and is not finished: for when the queue was emptied."""
    rows = progress.open_requests(store).filter(pl.col("model_version") == bundle.model_version).collect()
    batches = progress.unfinished(store, bundle.model_version)
    return Asked((), tuple(batches), (), rows["tweet_id"].n_unique(), rows.height)


def is_urgent(store: Store, batch: str) -> bool:
    return store.read("requests", batch)["requested_by"][0] in URGENT


def ms_per_character(store: Store, model_version: str) -> float | None:
    """Return what recent explanations by this model took, per character of their text; None until there are any."""
    took, characters = 0.0, 0
    for name in store.part_names("explanations")[-_RECENT:]:
        rows = store.read("explanations", name, ["model_version", "duration_ms", "words"])
        ends = pl.col("words").list.last().struct.field("stop").fill_null(0)  # of the last word
        mine = rows.filter(pl.col("model_version") == model_version, pl.col("duration_ms") > 0)
        took += float(mine["duration_ms"].sum())
        characters += mine.select(1 + ends).sum().item() or 0
    return took / characters if characters else None


def batches(rows: pl.DataFrame, ms: float | None) -> Iterator[pl.DataFrame]:
    """Cut rows of `requests`, with their texts, into batches of about `BATCH_MS`.

    Args:
        ms: work per character and target; None until a worker has measured it.
    """
    work = [(1 + len(text)) * len(targets) * (ms or 0) for text, targets in rows.select("text", "targets").iter_rows()]
    most = _BATCH_TWEETS if ms is None else _LARGEST_BATCH
    start, total = 0, 0.0
    for place, one in enumerate(work):
        if place > start and (total + one > BATCH_MS or place - start == most):
            yield rows[start:place]
            start, total = place, 0.0
        total += one
    if start < len(rows):
        yield rows[start:]


def _ask(store: Store, bundle: Bundle, rows: pl.DataFrame, how: How, by: str, design: str | None = None) -> Asked:
    targets = pl.lit(list(how.targets)) if how.targets else pl.concat_list("label")
    wanted = rows.with_columns(
        model_version=pl.lit(bundle.model_version), method=pl.lit(METHOD), baseline=pl.lit(how.baseline),
        targets=targets.cast(pl.List(pl.String())), requested_by=pl.lit(by), design_id=pl.lit(design, pl.String()),
        requested_at=pl.lit(now()),
    )  # fmt: skip
    urgent = by in URGENT
    waiting = progress.waiting(store, wanted, URGENT if urgent else None)
    new = wanted.join(waiting, on="tweet_id", how="anti")
    if not how.again:
        new = new.join(progress.unexplained(store, new), on="tweet_id", how="semi")
    if "text" not in new.columns:
        new = new.join(sampling.texts_of(store, new["tweet_id"]), on="tweet_id").filter(pl.col("text").is_not_null())
    written = _write(store, new.sort("tweet_id"), ms_per_character(store, bundle.model_version))
    explanations = int(new["targets"].list.len().sum())
    return Asked(
        tuple(rows["tweet_id"]), written, tuple(sorted(set(waiting["batch"]))), new.height, explanations, urgent
    )


def _write(store: Store, rows: pl.DataFrame, ms: float | None) -> tuple[str, ...]:
    stem = f"{now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    names = []
    for number, part in enumerate(batches(rows, ms)):
        batch = f"{stem}-{number:05d}"
        part = part.with_columns(batch=pl.lit(batch))
        for table in ("request_texts", "requests"):  # in this order: a request without its text cannot be met
            store.write(table, batch, part.select(TABLES[table].names()))
        names.append(batch)
    return tuple(names)
