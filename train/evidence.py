"""What an evaluation is made from: rows that the model never saw, with its logits for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from camembias.scoring import Logits


@dataclass(frozen=True, slots=True)
class Evidence:
    """Frames hold tweet_id, text (normalised), label, author (may be null) and duplicate_group.

    One split: `held_out` is the test split and `calibration` the validation split. Folds: both are all rows, each
    scored by the model of the fold that left it out, and `fold` says which.
    """

    fitted: pl.DataFrame  # rows the model was trained on; with folds, all rows
    held_out: pl.DataFrame
    logits: Logits  # (held-out rows, labels)
    calibration: pl.DataFrame
    calibration_logits: Logits  # (calibration rows, labels)
    variants: Mapping[str, Logits]  # name of a rewriting of the held-out texts → logits, (held-out rows, labels)
    fold: pl.Series | None = None  # of each held-out row
    models: int = 1  # between how many epochs the calibration rows have chosen: with folds, none
