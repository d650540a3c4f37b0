"""One request batch from the store to the store, so that doing it twice, or dying half-way, doubles nothing.

It knows the tables, the model and how often a batch was tried; it does not know that a queue exists.
The first attempt explains the whole batch at once. If it raises, or the process died in it, the second goes tweet
by tweet and stores each at once, so that one poisonous tweet fails alone. The third records what is missing in
`failures/` and stops, because a queue would deliver a batch that kills its worker for ever. After two deaths, the
tweets behind the deadly one fail with it: they are told apart only by asking again, in a new batch.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch

from camembias.bundle import Bundle
from camembias.checkpoint import best_device, load_model, load_tokenizer, special_ids
from camembias.errors import CamembiasError, InputError
from camembias.files import write_text
from camembias.labels import Labels
from camembias.messages import ExplainRequest
from camembias.schemas import TABLES
from camembias.store import Store, now
from explain_worker.attribution import METHOD, explain
from explain_worker.path import BASELINES, Passes, Row
from explain_worker.precision import choose_passes
from explain_worker.words import word_scores

Tweet = dict[str, Any]  # one row of `requests`, or of `explanations` or `failures` where it is written
LAST_ATTEMPT = 3
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

    @classmethod
    def open(cls, bundle: Bundle) -> Model:
        """On a GPU when there is one, in the precision that passes on it."""
        tokenizer = load_tokenizer(bundle.layout, bundle.manifest.max_length)
        special = special_ids(bundle.layout)
        network = load_model(bundle.layout).to(best_device())
        passes = choose_passes(network, special, tokenizer)
        return cls(bundle.model_version, bundle.labels, network, tokenizer, special, passes)


def explain_batch(store: Store, model: Model, request: ExplainRequest) -> int:
    """Explain what the batch still lacks; returns the number of explanations written."""
    missing = _missing(store, request.batch)
    if not missing:
        return 0
    if request.model_version != model.version:
        asked = f"the request asks for model {request.model_version}, this worker holds {model.version}"
        return _fail(store, request, {tweet["tweet_id"]: asked for tweet in missing}, attempt=0)
    attempt = _count_attempt(store, request.batch)
    if attempt == 1:
        try:
            rows = explain_tweets(model, missing)
        except Exception:
            _log.exception("batch %s failed, going tweet by tweet", request.batch)
            attempt = _count_attempt(store, request.batch)
        else:
            return _add(store, "explanations", request.batch, rows)
    if attempt >= LAST_ATTEMPT:
        died = f"the worker died or ran out of time in each of {attempt - 1} attempts at this batch"
        return _fail(store, request, {tweet["tweet_id"]: died for tweet in missing}, attempt)
    return _one_by_one(store, model, request, missing, attempt)


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
            scores = {"special_score": special_score, "words": words}
            rows.append({**same, **values, **scores, "target": target, "computed_at": now()})
    return rows


_NUMBERS = ("steps", "logit", "logit_baseline", "delta", "relative_error", "converged", "precision", "duration_ms")


def _one_by_one(store: Store, model: Model, request: ExplainRequest, missing: list[Tweet], attempt: int) -> int:
    written = 0
    errors = {}
    for tweet in missing:
        try:
            rows = explain_tweets(model, [tweet])
        except Exception as err:
            errors[tweet["tweet_id"]] = str(err) if isinstance(err, CamembiasError) else repr(err)
            continue
        written += _add(store, "explanations", request.batch, rows)
    _fail(store, request, errors, attempt)
    return written


def _missing(store: Store, batch: str) -> list[Tweet]:
    """Requested tweets without explanations. A tweet's targets are written together, so its id is enough."""
    asked = store.read("requests", batch).unique("tweet_id", keep="first", maintain_order=True)
    if store.has_part("explanations", batch):
        asked = asked.join(store.read("explanations", batch), on="tweet_id", how="anti", maintain_order="left")
    return asked.to_dicts()


def _count_attempt(store: Store, batch: str) -> int:
    """Number of this attempt, on disk before the work begins: neither a death nor a lost broker resets it."""
    number = 1
    while (store.attempts / f"{batch}.{number}").exists():
        number += 1
    write_text(store.attempts / f"{batch}.{number}", now().isoformat())
    return number


def _fail(store: Store, request: ExplainRequest, errors: Mapping[str, str], attempt: int) -> int:
    """Record one failure a tweet; a tweet that has one keeps it, because the first error says most."""
    same = {"batch": request.batch, "model_version": request.model_version, "attempts": attempt, "failed_at": now()}
    rows = [{**same, "tweet_id": tweet, "error": error} for tweet, error in errors.items()]
    if rows:
        _add(store, "failures", request.batch, rows)
    return 0


_KEYS = {"explanations": ["tweet_id", "target"], "failures": ["tweet_id", "model_version"]}


def _add(store: Store, table: str, part: str, rows: list[Tweet]) -> int:
    """Add rows to a batch's part, replacing it whole; rows that it has already stay as they are."""
    frame = pl.DataFrame(rows, schema=TABLES[table])
    if store.has_part(table, part):
        old = store.read(table, part)
        frame = pl.concat([old, frame.join(old, on=_KEYS[table], how="anti")])
    store.write(table, part, frame)
    return len(rows)
