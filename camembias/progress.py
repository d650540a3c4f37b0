"""How far requests are: explained, failed, running or waiting. All of it from the store, so an emptied queue shows.

A request is met by an explanation of its own batch, or by one of another batch computed after it was made: so a batch
that was split counts, and one that asks again for what was explained before does not count as done.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from camembias import attempts
from camembias.schemas import TABLES
from camembias.store import Store, now

_ALONE = "_"  # no batch has it in its name
_KEYS = ["tweet_id", "model_version", "target", "method", "baseline"]
_RATE_WINDOW = timedelta(minutes=5)
_GROUP = ["model_version", "requested_by", "design_id"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of some batches: tweets that are explained or failed; explanations (tweet × target), and how many of those
    miss completeness."""

    done: int = 0
    failed: int = 0
    explained: int = 0
    unconverged: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def part_of(batch: str, tweet: int | None = None) -> str:
    """Name of the part that holds what came of a batch, or of its tweet of that position when it was tried alone.

    Parts are never replaced: a reader that has listed them could find another file under the name, and fail.
    """
    return batch if tweet is None else f"{batch}{_ALONE}{tweet:04d}"


def made_of(store: Store, table: str, batch: str) -> pl.DataFrame:
    """Rows of `explanations` or `failures` that came of a batch."""
    names = sorted(path.stem for path in (store.root / table).glob(f"{batch}{_ALONE}*.parquet"))
    parts = [store.read(table, name) for name in [batch, *names] if store.has_part(table, name)]
    return pl.concat(parts) if parts else pl.DataFrame(schema=TABLES[table])


def of_batches(store: Store, batches: Collection[str]) -> dict[str, tuple[Counts, bool]]:
    """Each batch by its own parts alone, cheap enough to ask often: its counts, and whether it is finished.

    A batch that is not there is finished: its tweets were forgotten.
    """
    with store.shared():
        names = {*store.part_names("explanations"), *store.part_names("failures")}
        begun = {name.partition(_ALONE)[0] for name in names}
        idle = {batch: (Counts(), not store.has_part("requests", batch)) for batch in batches}
        return {batch: _of_batch(store, batch) if batch in begun else idle[batch] for batch in batches}


def _of_batch(store: Store, batch: str) -> tuple[Counts, bool]:
    rows = made_of(store, "explanations", batch)
    explained = set(rows["tweet_id"])
    failed = set(made_of(store, "failures", batch)["tweet_id"]) - explained
    counts = Counts(len(explained) + len(failed), len(failed), rows.height, int((~rows["converged"]).sum()))
    return counts, set(store.read("requests", batch)["tweet_id"]) <= explained | failed


def tweets_of(store: Store, batches: Collection[str]) -> int:
    rows = store.scan("requests").filter(pl.col("batch").is_in(list(batches)))
    return int(rows.select(pl.struct("batch", "tweet_id").n_unique()).collect().item())


def unexplained(store: Store, wanted: pl.DataFrame) -> pl.DataFrame:
    """The tweet_id of rows of `requests` that lack an explanation of any of their targets."""
    rows = wanted.select("tweet_id", "model_version", "targets", "method", "baseline").explode("targets").lazy()
    rows = rows.rename({"targets": "target"}).join(store.scan("explanations").select(_KEYS), on=_KEYS, how="anti")
    return rows.select("tweet_id").unique().collect()


def waiting(store: Store, wanted: pl.DataFrame, by: Collection[str] | None = None) -> pl.DataFrame:
    """tweet_id and batch of those of the wanted rows that wait already with all their targets, asked for by `by`."""
    still = open_requests(store)
    if by is not None:
        still = still.filter(pl.col("requested_by").is_in(list(by)))
    rows = wanted.select("tweet_id", "model_version", "targets", "method", "baseline").explode("targets").lazy()
    rows = rows.rename({"targets": "target"}).join(still.select(*_KEYS, "batch"), on=_KEYS, how="left")
    whole = rows.group_by("tweet_id").agg(pl.col("batch").null_count().alias("missing"), pl.col("batch").first())
    return whole.filter(pl.col("missing") == 0).select("tweet_id", "batch").collect()


def open_requests(store: Store) -> pl.LazyFrame:
    """Rows of `requests`, one a target, that are neither explained nor failed."""
    return _states(store).filter(pl.col("state") == "open")


def _states(store: Store) -> pl.LazyFrame:
    """Rows of `requests`, one a target, with `state` explained, failed or open."""
    columns = ["batch", *_KEYS, "requested_by", "design_id", "requested_at"]
    rows = store.scan("requests").rename({"targets": "target"}).select(columns).explode("target")
    made = store.scan("explanations").select("batch", *_KEYS, "computed_at")
    own = made.select("batch", *_KEYS).unique().with_columns(own=pl.lit(True))
    latest = made.group_by(_KEYS).agg(pl.col("computed_at").max())
    failed = store.scan("failures").select("batch", "tweet_id").unique().with_columns(failed=pl.lit(True))
    rows = rows.join(own, on=["batch", *_KEYS], how="left").join(latest, on=_KEYS, how="left")
    explained = pl.col("own").fill_null(False) | (pl.col("computed_at") >= pl.col("requested_at")).fill_null(False)
    failed_or_open = pl.when(pl.col("failed").fill_null(False)).then(pl.lit("failed")).otherwise(pl.lit("open"))
    state = pl.when(explained).then(pl.lit("explained")).otherwise(failed_or_open)
    return rows.join(failed, on=["batch", "tweet_id"], how="left").select(*columns, state.alias("state"))


def unfinished(store: Store, model_version: str) -> list[str]:
    """Batches of this model that a worker still has to see.

    One that was begun and not finished counts even with all explained: its texts are still to be removed.
    """
    still = open_requests(store).filter(pl.col("model_version") == model_version)
    begun = [batch for batch in attempts.begun(store) if store.has_part("requests", batch)]
    here = [batch for batch in begun if store.read("requests", batch)["model_version"][0] == model_version]
    return sorted({*still.select("batch").unique().collect()["batch"], *here})


def waiting_for_others(store: Store, model_version: str) -> dict[str, int]:
    """Tweets that wait for workers of other models, by model version."""
    others = open_requests(store).filter(pl.col("model_version") != model_version)
    rows = others.group_by("model_version").agg(pl.col("tweet_id").n_unique()).sort("model_version").collect().rows()
    return dict(rows)


def summary(store: Store) -> pl.DataFrame:
    """One row a model and what asked (a design, tweets by id, texts, a query); counts of tweet × target.

    `running` is of batches that a live worker holds; `waiting` is the rest; `oldest_s` is the age in seconds of the
    oldest request that is not explained; `attempts` is the largest number of attempts at a batch not finished.
    """
    begun = attempts.begun(store)
    running = [batch for batch, one in begun.items() if one.running]
    tries = pl.DataFrame(
        {"batch": list(begun), "attempts": [one.attempts for one in begun.values()]},
        schema={"batch": pl.String(), "attempts": pl.Int64()},
    )
    still = pl.col("state") == "open"
    held = pl.col("batch").is_in(running)
    table = (
        _states(store)
        .join(tries.lazy(), on="batch", how="left")
        .group_by(_GROUP)
        .agg(
            pl.len().alias("requested"),
            (pl.col("state") == "explained").sum().alias("explained"),
            (pl.col("state") == "failed").sum().alias("failed"),
            (still & held).sum().alias("running"),
            (still & ~held).sum().alias("waiting"),
            (pl.lit(now()) - pl.col("requested_at").filter(still).min()).dt.total_seconds().alias("oldest_s"),
            pl.col("attempts").max(),
        )
        .sort(_GROUP)
        .collect()
    )
    return table.with_columns(pl.col("requested", "explained", "failed", "running", "waiting").cast(pl.Int64()))


def rates(store: Store) -> dict[str, float]:
    """Explanations (tweet × target) a second of each model, over the last five minutes in which there were any."""
    rows = store.scan("explanations").select("model_version", "computed_at", "duration_ms")
    ends = pl.col("computed_at").max().over("model_version")
    recent = rows.filter(pl.col("computed_at") >= ends - _RATE_WINDOW)
    spans = recent.group_by("model_version").agg(
        pl.len().alias("count"),
        (pl.col("computed_at").max() - pl.col("computed_at").min()).dt.total_microseconds().alias("span_us"),
        pl.col("duration_ms").sum().alias("work_ms"),
    )
    return {
        version: round(count / _seconds(span_us / 1e6, work_ms / 1e3), 2)
        for version, count, span_us, work_ms in spans.collect().rows()
    }


def _seconds(span: float, work: float) -> float:
    """One batch alone is stored in a blink: what its work took is then all there is to know."""
    return span if span >= 1 else max(span, work, 1e-3)


def latest(store: Store, tweet_ids: Sequence[str], model_version: str, baseline: str) -> pl.DataFrame:
    """The latest explanations of these tweets, one row a tweet and target."""
    wanted = (
        pl.col("tweet_id").is_in(list(tweet_ids))
        & (pl.col("model_version") == model_version)
        & (pl.col("baseline") == baseline)
    )
    rows = store.scan("explanations").filter(wanted).sort("computed_at").unique(_KEYS, keep="last")
    return rows.sort("tweet_id", "target").collect()
