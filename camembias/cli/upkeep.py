"""compact · snapshot · diff"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer

from camembias.cli.console import JsonOption, StoreOption, out, print_json, print_table
from camembias.errors import InputError

if TYPE_CHECKING:
    from camembias.store import Store

DEFAULT_STORE = Path("stores/default")


def register(app: typer.Typer) -> None:
    for command in (compact, snapshot, diff):
        app.command()(command)


def compact(
    store: StoreOption = DEFAULT_STORE,
    keep_minutes: Annotated[
        float,
        typer.Option(min=0, max=1e7, help="Parts merged earlier are removed after so long: a reader may hold them."),
    ] = 60,
    json_: JsonOption = False,
) -> None:
    """Merge small parts into larger ones. What was merged is removed by a later run. Jobs may run beside it.

    Example: camembias compact --store stores/mine
    """
    from camembias import catalog, compaction
    from camembias import store as stores

    found = stores.open_existing(store)
    done = compaction.compact(found, timedelta(minutes=keep_minutes))
    if done.merged or done.removed:
        catalog.refresh(found)
    left = sum(len(sums) for one in compaction.notes(found) for sums in one.sources.values())
    if json_:
        print_json({**asdict(done), "waiting": left})
        return
    out.print(
        f"{done.merged} parts merged into {done.into}, {done.rows} repeated rows left out; {done.removed} parts merged "
        f"earlier removed, {left} wait until a later run",
        markup=False,
    )


def snapshot(
    file: Annotated[Path, typer.Argument(help="The DuckDB file to write; an older snapshot is replaced.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write all facts and statistics into one DuckDB file that needs no store.

    Example: camembias snapshot audit-copy.duckdb --store stores/mine
    """
    from camembias import catalog
    from camembias import store as stores

    found = stores.open_existing(store)
    with stores.running(found, "snapshot", {"file": str(file.resolve())}) as run:  # `forget` looks for copies there
        catalog.snapshot(found, file)
        run.counts["bytes"] = file.stat().st_size
    out.print(f"{run.counts['bytes'] / 1e6:,.1f} MB in {file}", markup=False)


def diff(
    run: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN RUN]", help="Before and after; else the last two.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """How far the shares of the labels have moved between two classify runs, with 95 % intervals.

    Example: camembias diff --store stores/mine
    """
    from camembias import catalog, sqlfiles
    from camembias import store as stores

    found = stores.open_existing(store)
    before, after = _two_runs(_runs(found), run or [])
    query = sqlfiles.query("label_share_drift")
    rows = catalog.run_query(found, query, {"before": before, "after": after})
    same = bool((rows["serving_version_before"] == rows["serving_version_after"]).all())
    if json_:
        print_json({"before": before, "after": after, "same_model": same, "labels": rows.to_dicts()})
        return
    print_table(rows.drop("serving_version_before", "serving_version_after"), f"Label shares of {after} less {before}")
    moved = rows.filter((pl.col("low") > 0) | (pl.col("high") < 0))["label"].to_list()
    notes = [_told(found, when, run_, int(rows[f"tweets_{when}"].sum())) for when, run_ in
             (("before", before), ("after", after))]  # fmt: skip
    notes += [f"moved, by an interval that leaves 0 out: {', '.join(moved) or 'none'}"]
    notes += [] if same else ["two serving versions classified them: the models may differ, not the tweets"]
    out.print("\n".join(notes), markup=False)


def _told(store: Store, when: str, run: str, tweets: int) -> str:
    """What a run was, so that nobody compares a stream with a test file."""
    units = store.scan("units").filter(pl.col("run_id") == run).select("source", "finished_at").collect()
    sources = units["source"].unique().sort().to_list()
    named = ", ".join(sources[:3]) + (f" and {len(sources) - 3} more" if len(sources) > 3 else "")
    return f"{when}: {run}, {tweets:,} tweets of {named or 'parts that were merged'}"


def _runs(store: Store) -> list[str]:
    """Runs that classified tweets which no later run classified again, the latest first."""
    from camembias import catalog

    sql = "SELECT run_id FROM predictions GROUP BY run_id ORDER BY max(classified_at) DESC, run_id DESC"
    return catalog.run_sql(store, sql)["run_id"].to_list()


def _two_runs(known: list[str], given: list[str]) -> tuple[str, str]:
    if not given and len(known) > 1:
        return known[1], known[0]
    latest = f"runs that classified tweets: {', '.join(known[:5]) or 'none'}"
    if not given:
        raise InputError(f"there are no two runs to compare yet; {latest}")
    if len(given) != 2:
        raise InputError(f"{len(given)} runs are named; name two runs, or none to compare the last two; {latest}")
    for one in given:
        if one not in known:
            raise InputError(f"no prediction is left of run '{one}'; {latest}")
    if given[0] == given[1]:
        raise InputError(f"run '{given[0]}' is named twice; {latest}")
    return given[0], given[1]
