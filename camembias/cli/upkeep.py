"""snapshot"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camembias.cli.console import StoreOption, out

DEFAULT_STORE = Path("stores/default")


def register(app: typer.Typer) -> None:
    app.command()(snapshot)


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
