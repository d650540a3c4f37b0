"""One request batch from the store to the store, so that doing it twice, or dying half-way, doubles nothing.

It knows the tables, the model and how often a batch was tried; it does not know that a queue exists.
The first attempt explains slices of about a second, and stops after one, or in it, when somebody waits. If it raises,
or the process died in it, the next go tweet by tweet, store each at once, and note beside the store which one is being
tried. What stops for somebody who waits was no attempt. A tweet that raises fails alone. One
that the process died of, in a batch that had died before, fails at the next attempt, because a queue would deliver it
for ever; its neighbours are explained. One that lacks memory alone is left for later, and fails at its third try if
the machine can explain another; if it cannot, no tweet is to blame.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import torch

from camembias import attempts, progress, tombstones
from camembias.attempts import Trail
from camembias.bundle import Bundle
from camembias.checkpoint import best_device, load_model, load_tokenizer, special_ids
from camembias.errors import CamembiasError, InputError, StoreError
from camembias.labels import Labels
from camembias.messages import ExplainRequest
from camembias.schemas import TABLES
from camembias.store import Store, now
from camembias.text import text_hash
from explain_worker import machine
from explain_worker.attribution import METHOD, explain
from explain_worker.giving_way import GaveWay, Pace, stopping
from explain_worker.path import BASELINES, Passes, Row
from explain_worker.precision import choose_passes
from explain_worker.words import word_scores

SAVED_EVERY_S = 10.0  # what a killed worker may lose of a batch; each second's slice as a part would be many parts
Waits = Callable[[bool], bool]  # whether somebody waits for whom a batch stops: within a slice (True), or after one
Tweet = dict[str, Any]  # one row of `requests`, or of `explanations` or `failures` where it is written
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle's model, opened: all that explaining needs."""

    version: str
    labels: Labels
    network: torch.nn.Module
    tokenizer: Any
    special: Mapping[str, int]
    passes: Passes | None = None  # how gradients are computed; None: as the network is
    pace: Pace = field(default_factory=Pace, compare=False)

    @classmethod
    def open(cls, bundle: Bundle) -> Model:
        """On a GPU when there is one, in the precision that passes on it."""
        tokenizer = load_tokenizer(bundle.layout, bundle.manifest.max_length)
        special = special_ids(bundle.layout)
        network = load_model(bundle.layout).to(best_device())
        passes = choose_passes(network, special, tokenizer)
        return cls(bundle.model_version, bundle.labels, network, tokenizer, special, passes)


def explain_batch(
    store: Store,
    model: Model,
    request: ExplainRequest,
    worker: str,
    budget_s: float = math.inf,
    waits: Waits = lambda within: False,
) -> int:
    """Explain what the batch still lacks; returns the number of tweets left, 0 when it is finished.

    `worker` is the same for all children of one worker process, which lives on when a child dies. It stops between
    tweets or slices after `budget_s`, so that a time limit on the whole meets only a tweet that hangs; and as soon as
    `waits` says that somebody does, in the middle of a slice too. Neither counts as an attempt.
    A request for another model stays as it is. Raises PartMissing for a batch that is not in the store; StoreError or
    OSError when the store or the trail cannot be read or written, and MachineError, an OSError, when nothing can be
    explained: these count as no attempt.
    """
    if request.model_version != model.version:
        _log.warning("batch %s is left for a worker with model %s", request.batch, request.model_version)
        return 0
    with _damage_told(store):
        asked = store.read("requests", request.batch).unique("tweet_id", keep="first", maintain_order=True)
    asked = asked.with_row_index("position")
    with attempts.holding(store, request.batch) as trail, _damage_told(store):
        if _missing(store, request.batch, asked):
            texts = store.read("request_texts", request.batch).select("tweet_id", "text")
            whole = asked.join(texts, on="tweet_id", maintain_order="left")
            networks = [model.network, *([model.passes.network] if model.passes else [])]
            turn = _Turn(time.monotonic() + budget_s, waits)
            with (
                suppress(GaveWay),
                trail.unless_stopped(StoreError, OSError, GaveWay),
                _damage_told(store),
                stopping(networks, lambda: waits(True)),
            ):
                _work(store, model, whole, trail, worker, turn)
        left = len(_missing(store, request.batch, asked))
        if not left:
            with store.shared():  # not while `forget` reads it
                store.part("request_texts", request.batch).unlink(missing_ok=True)  # they have served
            trail.remove()
    return left


@contextmanager
def _damage_told(store: Store) -> Iterator[None]:
    """A part that polars cannot read is a trouble of the store's, which may be mended, not of the batch."""
    try:
        yield
    except pl.exceptions.PolarsError as err:
        why = " ".join(str(err).split())[:160]
        raise StoreError(f"a part in '{store.root}' is damaged ({why}); camembias doctor names it") from err


@dataclass(slots=True)
class _Turn:
    """How long a worker may stay with a batch: something is done each time, so that it ends."""

    until: float
    waits: Waits
    begun: bool = False

    def next(self) -> None:
        """Before each slice or tweet. Raises GaveWay when the turn is over."""
        if time.monotonic() >= self.until or (self.begun and self.waits(False)):
            raise GaveWay
        self.begun = True


def _work(store: Store, model: Model, asked: pl.DataFrame, trail: Trail, worker: str, turn: _Turn) -> None:
    suspect, guilty = trail.suspect, trail.is_guilty(worker)
    # the guilty one first, to be written down; a mere suspect last, so that its neighbours do not wait for it
    batch = str(asked["batch"][0])
    missing = sorted(_missing(store, batch, asked), key=lambda tweet: (tweet["tweet_id"] == suspect) != guilty)
    attempt = trail.begin(worker)
    if attempt == 1:
        if not (missing := _explain_slices(store, model, missing, turn)):
            return
        attempt = trail.begin(worker)
    try:
        for tweet in missing:
            if attempt > 3 + 2 * len(asked):  # it dies before any tweet is tried
                _fail(store, tweet, f"the worker died in each of {attempt - 1} attempts", attempt)
            elif guilty and tweet["tweet_id"] == suspect:
                _fail(store, tweet, "the worker died or ran out of time while it explained this tweet alone", attempt)
            else:
                turn.next()
                trail.trying(tweet["tweet_id"])
                _explain_alone(store, model, tweet, attempt, trail)
    finally:
        trail.pause()  # what ends in order, by an error too, did not die: nobody is under suspicion


def _explain_slices(store: Store, model: Model, missing: list[Tweet], turn: _Turn) -> list[Tweet]:
    """Explain slices by the measured pace; returns what is left when one raises: its tweets and those behind it.

    Rows are stored when the batch is finished or stopped, and every `SAVED_EVERY_S`: a finished batch is one part,
    unless it took longer than that.
    """
    labels, saved, done = len(model.labels.names), 0, 0  # tweets
    rows: list[Tweet] = []
    since = time.monotonic()

    def save() -> None:
        nonlocal rows, saved, since
        if rows:
            first = missing[saved]
            whole = done == len(missing) and not store.has_part("explanations", progress.part_of(first["batch"]))
            _put(store, "explanations", progress.part_of(first["batch"], None if whole else first["position"]), rows)
        rows, saved, since = [], done, time.monotonic()

    while done < len(missing):
        try:
            turn.next()
            part = missing[done : done + model.pace.fitting(missing[done:], labels)]
            began = time.monotonic()
            rows += explain_tweets(model, part)
        except GaveWay:
            save()
            raise
        except Exception as err:
            _log.error("a batch failed, going tweet by tweet: %s", _described(err))
            break
        model.pace.learn(part, labels, time.monotonic() - began)
        done += len(part)
        if time.monotonic() - since >= SAVED_EVERY_S:
            save()
    save()
    return missing[done:]


def _explain_alone(store: Store, model: Model, tweet: Tweet, attempt: int, trail: Trail) -> None:
    try:
        rows = explain_tweets(model, [tweet])
    except Exception as err:
        _log.error("a tweet failed: %s", _described(err))
        error = str(err) if isinstance(err, CamembiasError) else _described(err, frames=1)
        trouble = machine.is_trouble(err)
    else:
        return _put(store, "explanations", progress.part_of(tweet["batch"], tweet["position"]), rows)
    if trouble:
        machine.check(lambda: explain_tweets(model, [{**tweet, "tweet_id": "", "text": "non"}]))
        if sum(line.get("tweet") == tweet["tweet_id"] for line in trail.lines) < machine.TRIES:
            return None
    return _fail(store, tweet, error, attempt)


def explain_tweets(model: Model, tweets: Sequence[Tweet]) -> list[Tweet]:
    """Rows of `explanations`, tweet after tweet and target after target; no target named means all labels."""
    for tweet in tweets:
        if tweet["method"] != METHOD or tweet["baseline"] not in BASELINES:
            asked = f"method '{tweet['method']}' with baseline '{tweet['baseline']}'"
            raise InputError(f"{asked}: the worker knows '{METHOD}' with one of {', '.join(BASELINES)}")
    if len(baselines := dict.fromkeys(tweet["baseline"] for tweet in tweets)) > 1:
        return [row for one in baselines for row in explain_tweets(model, [x for x in tweets if x["baseline"] == one])]
    encodings = model.tokenizer.encode_batch([tweet["text"] for tweet in tweets])
    names = [list(dict.fromkeys(tweet["targets"] or model.labels.names)) for tweet in tweets]
    inputs = [
        Row(encoding.ids, encoding.special_tokens_mask, [model.labels.id(name) for name in wanted])
        for encoding, wanted in zip(encodings, names, strict=True)
    ]
    attributions = iter(
        explain(model.network, model.special, inputs, next(iter(baselines), BASELINES[0]), model.passes)
    )
    rows = []
    for tweet, encoding, wanted in zip(tweets, encodings, names, strict=True):
        same = {name: tweet[name] for name in ("batch", "tweet_id", "model_version", "label", "method", "baseline")}
        for target, found in zip(wanted, attributions, strict=False):
            tokens = (encoding.offsets, encoding.special_tokens_mask, found.scores)
            words, special_score = word_scores(tweet["text"], *tokens)
            values = {name: getattr(found, name) for name in _NUMBERS}
            scores = {"special_score": special_score, "words": words, "text_hash": text_hash(tweet["text"])}
            rows.append({**same, **values, **scores, "target": target, "computed_at": now()})
    return rows


_NUMBERS = ("steps", "logit", "logit_baseline", "delta", "relative_error", "converged", "precision", "duration_ms")


def _missing(store: Store, batch: str, asked: pl.DataFrame) -> list[Tweet]:
    """Requested tweets not explained, failed or forgotten. A tweet's targets are written together: its id is enough."""
    asked = tombstones.without(store, "requests", asked)
    for table in ("explanations", "failures"):
        made = progress.made_of(store, table, batch)
        asked = asked.join(made, on="tweet_id", how="anti", maintain_order="left")
        if asked.is_empty():
            break
    return asked.to_dicts()


def _described(err: BaseException, frames: int = 20) -> str:
    """The kind of an error and where it came from. Its message is left out: it may quote the tweet."""
    places = traceback.extract_tb(err.__traceback__)[-frames:]
    return f"{type(err).__name__} at " + " < ".join(f"{one.filename}:{one.lineno}" for one in reversed(places))


def _fail(store: Store, tweet: Tweet, error: str, attempt: int) -> None:
    same = {name: tweet[name] for name in ("batch", "tweet_id", "model_version")}
    row = {**same, "attempts": attempt, "error": error, "failed_at": now()}
    _put(store, "failures", progress.part_of(tweet["batch"], tweet["position"]), [row])


def _put(store: Store, table: str, part: str, rows: list[Tweet]) -> None:
    store.write(table, part, pl.DataFrame(rows, schema=TABLES[table]))
