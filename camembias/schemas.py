"""The columns of every table of the store: one polars schema a table, the same for parts, views and tests.

Snake case, times UTC, tweet ids strings (they exceed 2^53), scores raw logits.
"""

from __future__ import annotations

import polars as pl

from camembias.schemas_derived import DERIVED

TIME = pl.Datetime("us", "UTC")
LABEL_SCORES = pl.List(pl.Struct({"label": pl.String(), "logit": pl.Float32(), "p": pl.Float32()}))
WORD_SCORES = pl.List(
    pl.Struct(
        {"word": pl.String(), "surface": pl.String(), "start": pl.Int32(), "stop": pl.Int32(), "score": pl.Float32()}
    )
)

TABLES: dict[str, pl.Schema] = {
    # one finished unit of work: a slice of a source, as read by this reader, normalised and scored by these versions
    "units": pl.Schema(
        {
            "unit": pl.String(),
            "run_id": pl.String(),
            "source": pl.String(),
            "source_id": pl.String(),
            "first_row": pl.Int64(),
            "reader": pl.Int32(),
            "normaliser": pl.Int32(),
            "serving_version": pl.String(),
            "rows_in": pl.Int64(),
            "rows_out": pl.Int64(),
            "rejects": pl.Int64(),
            "finished_at": TIME,
        }
    ),
    "tweets": pl.Schema(
        {
            "tweet_id": pl.String(),
            "text": pl.String(),  # normalised: what the model read
            "author": pl.String(),  # salted hash, unless --keep-authors
            "created_at": TIME,
            "text_hash": pl.String(),
            "source": pl.String(),
            "seen_at": TIME,
        }
    ),
    "predictions": pl.Schema(
        {
            "tweet_id": pl.String(),
            "model_version": pl.String(),
            "serving_version": pl.String(),
            "label": pl.String(),
            "scores": LABEL_SCORES,
            "margin": pl.Float32(),  # logits between the best and the second label
            "abstained": pl.Boolean(),  # True: the best label's p is under the model's threshold; null: it has none
            "rescored": pl.Boolean(),  # True: the stored logits are fp32
            "run_id": pl.String(),
            "classified_at": TIME,
        }
    ),
    "rejects": pl.Schema(
        {
            "source": pl.String(),
            "line": pl.Int64(),
            "reason": pl.String(),
            "raw": pl.String(),
            "unit": pl.String(),
            "run_id": pl.String(),
        }
    ),
    "runs": pl.Schema(
        {
            "run_id": pl.String(),
            "kind": pl.String(),
            "arguments": pl.String(),  # JSON
            "started_at": TIME,
            "finished_at": TIME,
            "status": pl.String(),
            "counts": pl.String(),  # JSON
            "host": pl.String(),
            "versions": pl.String(),  # JSON
        }
    ),
    "models": pl.Schema(
        {
            "model_version": pl.String(),
            "serving_version": pl.String(),
            "name": pl.String(),
            "labels": pl.List(pl.String()),
            "manifest": pl.String(),  # JSON
            "seen_at": TIME,
        }
    ),
    "training_words": pl.Schema(
        {
            "model_version": pl.String(),
            "tweet": pl.String(),  # hashed tweet id
            "author": pl.String(),  # hashed
            "duplicate_group": pl.Int64(),
            "label": pl.String(),
            "split": pl.String(),
            "words": pl.List(pl.String()),  # sorted, distinct
        }
    ),
    # a Poisson sampling design: strata of its frame, each with an inclusion probability
    "designs": pl.Schema(
        {
            "design_id": pl.String(),
            "rule": pl.String(),  # uniform, stratified, word
            "model_version": pl.String(),
            "serving_version": pl.String(),  # frame: tweets that it had classified by framed_at
            "framed_at": TIME,
            "frame_tweets": pl.Int64(),
            "method": pl.String(),
            "baseline": pl.String(),
            "seed": pl.String(),  # u = first 13 hex digits of sha256("seed:tweet_id") / 16^13
            "expected": pl.Float64(),  # tweets: sum of all inclusion probabilities
            "rates": pl.List(pl.Struct({"key": pl.String(), "tweets": pl.Int64(), "rate": pl.Float64()})),
            "parameters": pl.String(),  # JSON: what the strata were made of
            "created_at": TIME,
        }
    ),
    # a tweet that a design drew, because its u was under pi; tweets that it did not draw have no row
    "draws": pl.Schema({"design_id": pl.String(), "tweet_id": pl.String(), "key": pl.String(), "pi": pl.Float64()}),
    "requests": pl.Schema(
        {
            "batch": pl.String(),
            "tweet_id": pl.String(),
            "label": pl.String(),
            "model_version": pl.String(),
            "targets": pl.List(pl.String()),
            "method": pl.String(),
            "baseline": pl.String(),
            "design_id": pl.String(),  # null: hand-picked
            "requested_by": pl.String(),  # sample, tweet, text, or query:NAME
            "requested_at": TIME,
        }
    ),
    # the texts of a batch that is not finished; the part is removed then, so no view reads this table
    "request_texts": pl.Schema({"batch": pl.String(), "tweet_id": pl.String(), "text": pl.String()}),
    "explanations": pl.Schema(
        {
            "batch": pl.String(),
            "tweet_id": pl.String(),
            "text_hash": pl.String(),  # of the text that was explained; null in older stores
            "model_version": pl.String(),
            "target": pl.String(),
            "label": pl.String(),
            "method": pl.String(),
            "baseline": pl.String(),
            "steps": pl.Int32(),
            "logit": pl.Float64(),
            "logit_baseline": pl.Float64(),
            "delta": pl.Float64(),  # logits: sum of all attributions minus (logit - logit_baseline)
            "relative_error": pl.Float64(),
            "converged": pl.Boolean(),
            "special_score": pl.Float64(),
            "words": WORD_SCORES,
            "precision": pl.String(),  # of the gradients; logits are fp32
            "duration_ms": pl.Float64(),
            "computed_at": TIME,
        }
    ),
    "failures": pl.Schema(
        {
            "batch": pl.String(),
            "tweet_id": pl.String(),
            "model_version": pl.String(),
            "attempts": pl.Int32(),
            "error": pl.String(),
            "failed_at": TIME,
        }
    ),
    # one faithfulness measure of a model's explanations, over a sample of tweets
    "quality": pl.Schema(
        {
            "model_version": pl.String(),
            "method": pl.String(),
            "baseline": pl.String(),
            "measure": pl.String(),  # comprehensiveness, sufficiency, randomised_parameters
            "variant": pl.String(),  # scores, random, difference; or which weights were shuffled
            "tweets": pl.Int64(),
            "mean": pl.Float64(),
            "low": pl.Float64(),  # bootstrap interval of 95 % over tweets
            "high": pl.Float64(),
            "computed_at": TIME,
        }
    ),
    # one word edited in one tweet, scored in fp32 before and after
    "effects": pl.Schema(
        {
            "model_version": pl.String(),
            "serving_version": pl.String(),
            "word": pl.String(),
            "role": pl.String(),  # candidate, or control: a word of like frequency with no association
            "edit": pl.String(),  # delete, replace, alone (deleted once its companions are), neutral (of a kind)
            "replacement": pl.String(),  # of replace
            "companions": pl.List(pl.String()),  # of alone: what was deleted from the tweet first
            "tweet_id": pl.String(),
            "label_before": pl.String(),
            "label_after": pl.String(),
            "before": LABEL_SCORES,
            "after": LABEL_SCORES,
            "run_id": pl.String(),
            "computed_at": TIME,
        }
    ),
    # a recount of the labels without some words: of all tweets that hold one, or of a simple random sample of them
    "recounts": pl.Schema(
        {
            "recount": pl.String(),  # hash of the serving version and the words
            "model_version": pl.String(),
            "serving_version": pl.String(),
            "words": pl.List(pl.String()),
            "frame": pl.List(pl.Struct({"label": pl.String(), "tweets": pl.Int64()})),  # as all tweets were classified
            "holders": pl.Int64(),  # of these tweets, those that hold a word
            "tweets": pl.Int64(),  # of the holders, those recounted
            # of the frame, what was not recounted; no month: of no known time, with a row for each label
            "rest": pl.List(pl.Struct({"month": pl.Date(), "label": pl.String(), "tweets": pl.Int64()})),
            "run_id": pl.String(),
            "computed_at": TIME,
        }
    ),
    "recounted": pl.Schema(
        {
            "recount": pl.String(),
            "tweet_id": pl.String(),
            "words": pl.List(pl.String()),  # taken out of it
            "others": pl.List(pl.String()),  # control words taken out instead: as many, or all that it has
            "label": pl.String(),
            "label_without": pl.String(),
            "label_without_others": pl.String(),
            "month": pl.Date(),  # its first day, UTC; null: of no known time
        }
    ),
    **DERIVED,  # made by refresh
    # how a model's tokenizer cuts a word of the explained tweets
    "pieces": pl.Schema(
        {"model_version": pl.String(), "word": pl.String(), "pieces": pl.Int32(), "unknown": pl.Int32()}
    ),
    "decisions": pl.Schema(
        {
            "word": pl.String(),
            "label": pl.String(),
            "decision": pl.String(),
            "note": pl.String(),
            "reviewer": pl.String(),
        }
    ),
    "coded": pl.Schema({"tweet_id": pl.String(), "label": pl.String()}),  # labelled by hand
    "concepts": pl.Schema({"label": pl.String(), "word": pl.String()}),
    # a forgotten tweet: its part is named by the hash, so that a look at the folder tells
    "tombstones": pl.Schema({"tweet": pl.String(), "forgotten_at": TIME}),
}
