"""Classifies sources of tweets into the store.

The story of a window of up to 4,096 rows: read → normalise → leave out what the store has already → tokenise → each
distinct text once through int8 → again through fp32 where int8 cannot be trusted → parts → one row in the ledger,
last. While a window is scored, the next one is read and the last one is written. A killed job loses at most the
windows it was on; run again, it skips finished units and rewrites unfinished ones under the same part names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import numpy as np

from batch.classifier import Classifier
from batch.known import KnownTweets, ScoreCache, entries
from batch.limits import RejectLimit, TooManyRejects
from batch.parts import Scored, write
from batch.pipeline import ahead, behind
from batch.readers import Chunk, chunks
from batch.sources import Source
from batch.windows import Window, prepare, unit_name
from camembias.errors import InputError
from camembias.store import Run, Store

COUNTS = ("rows", "classified", "known", "forgotten", "rejects", "rescored", "abstained", "cached", "skipped", "files")


@dataclass(slots=True)
class Job:
    """A run of the bulk job: what it works with, and when it ends before its input does."""

    classifier: Classifier
    store: Store
    run: Run
    known: KnownTweets
    cache: ScoreCache
    keep_authors: bool = False
    limit: RejectLimit | None = None
    follows: bool = False  # sources keep arriving: one that cannot be read is one refused row, and none is the last
    stop: Event = field(default_factory=Event)  # set it, and the job ends with the window it is on
    progress: Callable[[int], None] = lambda _: None  # hears of rows


def open_job(classifier: Classifier, store: Store, run: Run) -> Job:
    """A job that knows what the store holds at this moment, and has the latest scores at hand."""
    run.counts.update({name: 0 for name in COUNTS if name not in run.counts})
    known = KnownTweets(store, classifier.bundle.serving_version)
    cache = ScoreCache()
    cache.warm(store, known.refresh())
    return Job(classifier, store, run, known, cache)


def classify(job: Job, sources: Iterable[Source]) -> None:
    """Classify what is new in `sources`; counts go to `job.run.counts`.

    `rows` are the rows of units done now: each is `classified`, `known` (there already, same id and text),
    `forgotten` (not to be stored) or among `rejects`. `skipped` are the rows of units done by an earlier run.
    Raises InputError, StoreError, and TooManyRejects when the limit is passed; the units finished by then stay.
    """
    with behind(partial(_finish, job)) as hand_over, closing(ahead(_windows(job, sources))) as windows:
        for window in windows:
            if job.stop.is_set():
                break
            if window is not None:
                hand_over(_score(job, window))
    _check_limit(job, ended=not job.follows)


def _windows(job: Job, sources: Iterable[Source]) -> Iterator[Window | None]:
    """What is to be scored, ready for it; None when a stream has nothing now, or a unit is done already."""
    version = job.classifier.bundle.serving_version
    for source in sources:
        source_id = ""
        try:
            source_id = source.identity
            for chunk in chunks(source):
                if job.stop.is_set():
                    return
                unit = unit_name(source_id, chunk.first_row, version)
                if unit in job.known.finished:
                    job.run.counts["skipped"] += chunk.rows_in
                    job.progress(chunk.rows_in)
                elif chunk.rows_in:
                    yield prepare(job.classifier, job.known, job.cache, source, source_id, chunk, unit)
                    continue
                yield None
        except InputError as err:
            if not job.follows:
                raise
            yield _unreadable(job, source, source_id, err)
        job.run.counts["files"] += 1


def _unreadable(job: Job, source: Source, source_id: str, err: Exception) -> Window | None:
    chunk = Chunk(-1, rows_in=1)
    chunk.refuse(0, f"unreadable: {err}", "")
    name = source_id or hashlib.sha256(str(source.path).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    unit = unit_name(name, chunk.first_row, job.classifier.bundle.serving_version)
    if unit in job.known.finished:
        return None
    return prepare(job.classifier, job.known, job.cache, source, name, chunk, unit)


def _score(job: Job, window: Window) -> Scored:
    """Logits of every tweet of the window; a text that was scored since it was read is not scored again."""
    found = window.scores | job.cache.found(window.tokens)
    todo = [name for name in window.tokens if name not in found]
    job.progress(window.chunk.rows_in - len(todo))
    logits, fp32 = job.classifier.scores([window.tokens[name] for name in todo], job.progress)
    fresh = entries(todo, logits, fp32)
    job.cache.put(fresh)
    found |= fresh
    labels = len(job.classifier.bundle.labels.names)
    rows = np.frombuffer(b"".join(found[name][0] for name in window.hashes), dtype=np.float32).reshape(-1, labels)
    exact = np.array([found[name][1] for name in window.hashes], dtype=np.bool_)
    return Scored(window, rows, exact, len(window.hashes) - len(todo))


def _finish(job: Job, scored: Scored) -> None:
    write(scored, job.classifier.bundle, job.store, job.run, job.keep_authors)
    _check_limit(job)


def _check_limit(job: Job, ended: bool = False) -> None:
    counts = job.run.counts
    if job.limit and job.limit.passed(counts["rejects"], counts["rows"], ended):
        raise TooManyRejects(
            f"{counts['rejects']} of {counts['rows']} rows refused, over --max-rejects {job.limit.given}; "
            f"kept: {counts['classified']} predictions, and the refused rows with their reasons "
            f"(camembias query reject_reasons --store {job.store.root})"
        )
