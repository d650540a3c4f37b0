"""The columns of tables that a refresh makes from other tables, and again when they are gone. As in `schemas`."""

from __future__ import annotations

import polars as pl

DERIVED: dict[str, pl.Schema] = {
    # what a part of explanations holds, without its words: made by refresh, which would else look at all of them again
    "explanation_index": pl.Schema(
        {
            "part": pl.String(),  # its name
            "state": pl.String(),  # changes with the part, and with what models are known
            "tweet_id": pl.String(),  # null: nothing in the part counts
            "model_version": pl.String(),
            "method": pl.String(),
            "baseline": pl.String(),
            "text_hash": pl.String(),
            "batch": pl.String(),
            "targets": pl.Int64(),  # a bit a label of the model
            "explanations": pl.Int64(),  # as many rows of the part
            "finite": pl.Boolean(),  # the scores of all of them are numbers
            "mark": pl.UInt64(),  # changes when one is computed again
            "computed_at": pl.Datetime("us", "UTC"),  # the last of them that is
        }
    ),
    # what estimates are made from, without its words: tweets that were sampled and explained, copies of a text as one
    "sampled_texts": pl.Schema(
        {
            "model_version": pl.String(),
            "method": pl.String(),
            "baseline": pl.String(),
            "text": pl.String(),  # its hash, or its tweet when that is not known
            "tweet_id": pl.String(),  # the first that was explained
            "tweets": pl.Int64(),
            "w": pl.Float64(),  # sum of 1 / pi over them
            "v": pl.Float64(),  # sum of (1 - pi) / pi^2 over them
            "batch": pl.String(),
            "mark": pl.UInt64(),  # changes with anything that the row is made from
            "block": pl.Int64(),  # number of the block
        }
    ),
    # sums over the texts of a block, or of several, that hold the word: made by refresh, and made again when they are
    # gone. w of a text: sum of 1 / pi over the sampled tweets with it; v: sum of (1 - pi) / pi^2 over them; x: its
    # centred logits. What does not depend on the label stands in a row of its own, without one
    "sums": pl.Schema(
        {
            "model_version": pl.String(),
            "method": pl.String(),
            "baseline": pl.String(),
            "word": pl.String(),
            "label": pl.String(),  # null: tweets to v2; else wx to we
            "tweets": pl.Int64(),  # distinct texts
            "occurrences": pl.Int64(),
            "w": pl.Float64(),
            "w2": pl.Float64(),
            "w3": pl.Float64(),
            "w4": pl.Float64(),
            "v": pl.Float64(),
            "vw": pl.Float64(),
            "v2": pl.Float64(),
            "wx": pl.Float64(),
            "wxx": pl.Float64(),
            "wx3": pl.Float64(),
            "wx4": pl.Float64(),
            "w2x": pl.Float64(),
            "w2xx": pl.Float64(),
            "vx": pl.Float64(),
            "vxx": pl.Float64(),
            "w_abs_x": pl.Float64(),
            "w_positive": pl.Float64(),
            "w_strongest": pl.Float64(),
            "we": pl.Float64(),  # e: logits that an unconverged explanation of the text misses
        }
    ),
    # the scores of edited words, text by text: an error by author needs them
    "edited_scores": pl.Schema(
        {
            "model_version": pl.String(),
            "method": pl.String(),
            "baseline": pl.String(),
            "tweet_id": pl.String(),
            "word": pl.String(),
            "label": pl.String(),
            "w": pl.Float64(),
            "x": pl.Float64(),
            "e": pl.Float64(),  # as in sums
        }
    ),
}
