"""status"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from camembias.cli.console import JsonOption, StoreOption, errors, needs, out, print_json, print_table
from camembias.errors import BrokerError
from camembias.settings import BROKER_VARIABLE

_TABLES = ("tweets", "predictions", "rejects", "requests", "explanations", "failures")


def register(app: typer.Typer) -> None:
    app.command()(status)


def status(
    store: StoreOption = Path("stores/default"),
    broker_url: Annotated[
        str | None, typer.Option("--broker-url", envvar=BROKER_VARIABLE, help="Also count what lies in its queues.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """What the store holds, how far explanations are, and the last jobs.

    Example: camembias status --store stores/mine
    """
    from camembias import compaction, progress
    from camembias import store as stores

    found = stores.open_existing(store)
    with found.shared():
        rows = {name: found.scan(name, compaction.counting(found, name)).select(pl.len()) for name in _TABLES}
        counts = {name: int(count.collect().item()) for name, count in rows.items()}
        runs = found.scan("runs").sort("started_at", descending=True).head(5).collect()
        summary, rates = progress.summary(found), progress.rates(found)
    queued = _queued(broker_url, summary["model_version"].unique().to_list())
    if json_:
        print_json(
            {
                "rows": counts,
                "explanations": summary.to_dicts(),
                "explanations_per_second": rates,
                "queued_batches": queued,
                "runs": runs.to_dicts(),
            }
        )
        return
    print_table(pl.DataFrame([{"table": name, "rows": count} for name, count in counts.items()]), "rows in parts")
    for version in summary["model_version"].unique().sort():
        mine = summary.filter(pl.col("model_version") == version)
        notes = [f"model {version}: {rates.get(version, 0):g} explanations/s when last at work"]
        notes += [f"{queued[version]} batches in the queue"] if version in queued else []
        notes += ["waiting for a worker with this model"] if mine["waiting"].sum() and not mine["running"].sum() else []
        print_table(_readable(mine), "explanations (tweet x target)")
        out.print("; ".join(notes), markup=False)
    print_table(runs.select("run_id", "kind", "status", "started_at", "counts"), "last runs")


def _queued(broker_url: str | None, versions: list[str]) -> dict[str, Any]:
    """Batches in the queue by model version; an empty answer, with the reason, when the broker is away."""
    if broker_url is None:
        return {}
    with needs("worker"):
        from explain_worker import broker
    try:
        return {version: len(broker.queued(broker_url, version)) for version in versions}
    except BrokerError as err:
        errors.print(str(err), markup=False, soft_wrap=True)
        return {}


def _readable(summary: pl.DataFrame) -> pl.DataFrame:
    asked_by = pl.coalesce("design_id", "requested_by").alias("asked by")
    oldest = pl.col("oldest_s").map_elements(_age, return_dtype=pl.String()).alias("oldest")
    numbers = ("explained", "failed", "running", "waiting")
    return summary.select(
        asked_by, pl.col("requested").alias("asked"), *numbers, oldest, pl.col("attempts").alias("tries")
    )


def _age(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
