"""A store of random explanations, as large as wanted: what the SQL benchmark reads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from camembias import store
from camembias.sampling import permanent_random_number
from camembias.schemas import TABLES
from camembias.store import Store

LABELS = ("autre", "avion", "décroissance", "nucléaire", "viande")
WORDS, VOCABULARY = 25, 60_000
RATES = {"rare": 1.0, "some": 0.5, "many": 0.1}
SEED, DAY = "s", datetime(2024, 3, 1, tzinfo=UTC)


def draws(ids: list[str], keys: list[str]) -> pl.DataFrame:
    """Of tweets with their strata, those that the design draws, as the view `draws` checks it."""
    u = [permanent_random_number(SEED, one) for one in ids]
    rows = pl.DataFrame({"design_id": "d", "tweet_id": ids, "key": keys, "pi": [RATES[key] for key in keys], "u": u})
    return rows.filter(pl.col("u") < pl.col("pi")).drop("u")


def explanations(ids: list[str], batch: str, number: int, dice: np.random.Generator) -> pl.DataFrame:
    """Five rows a tweet, one a label; words by Zipf's law."""
    words = np.minimum(dice.zipf(1.3, size=(len(ids), WORDS)), VOCABULARY)
    names = pl.Series("word", [f"mot{one}" for one in words.ravel()])
    tweets = np.repeat(np.arange(len(ids)), WORDS)
    flat = pl.DataFrame(
        {"row": tweets, "word": names, "start": np.tile(np.arange(WORDS, dtype=np.int32) * 9, len(ids))}
    )
    made = []
    for label in LABELS:
        scored = flat.with_columns(
            surface="word", stop=pl.col("start") + 5, score=pl.Series(dice.normal(size=flat.height).astype(np.float32))
        )
        listed = scored.group_by("row", maintain_order=True).agg(
            words=pl.struct("word", "surface", "start", "stop", "score")
        )
        made.append(listed.with_columns(target=pl.lit(label)))
    rows = pl.concat(made).with_columns(
        tweet_id=pl.Series(ids).gather(pl.concat(made)["row"]),
        batch=pl.lit(batch),
        model_version=pl.lit("m"),
        label=pl.lit(LABELS[0]),
        method=pl.lit("ig"),
        baseline=pl.lit("mask"),
        converged=pl.lit(True),
        delta=pl.lit(0.0),
        computed_at=pl.lit(DAY + timedelta(seconds=number)),
    )
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in TABLES["explanations"].items()
    )


def grow(made: Store, scores: int, first: int = 0, part: int = 4_000) -> int:
    """Add explanations of `scores` words in parts of `part` tweets, from part number `first`; returns the next one."""
    tweets = max(1, scores // (WORDS * len(LABELS)))
    for number in range(first, first + -(-tweets // part)):
        dice = np.random.default_rng(number)
        ids = [f"{number}-{one}" for one in range(part * 3)]
        keys = [list(RATES)[one] for one in dice.choice(3, p=[0.2, 0.4, 0.4], size=len(ids))]
        rows = draws(ids, keys).head(part)
        batch = f"b{number:06}"
        made.write("draws", f"d{number}", pl.DataFrame(rows, schema=TABLES["draws"]))
        made.write("explanations", batch, explanations(rows["tweet_id"].to_list(), batch, number, dice))
    return first + -(-tweets // part)


def create(root: Path) -> Store:
    """An empty store of one model and one design."""
    made = store.create(root)
    model = {"model_version": "m", "serving_version": "v", "name": "n", "labels": list(LABELS), "seen_at": DAY}
    design = {
        **{"design_id": "d", "rule": "stratified", "model_version": "m", "serving_version": "v", "framed_at": DAY},
        **{"frame_tweets": 1, "method": "ig", "baseline": "mask", "seed": SEED, "expected": 1.0, "created_at": DAY},
        "rates": [{"key": key, "tweets": 1, "rate": rate} for key, rate in RATES.items()],
    }
    made.write("models", "v", pl.DataFrame([model], schema=TABLES["models"]))
    made.write("designs", "d", pl.DataFrame([design], schema=TABLES["designs"]))
    return made
