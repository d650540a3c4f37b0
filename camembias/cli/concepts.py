"""concepts suggest"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from camembias import catalog, sqlfiles
from camembias import store as stores
from camembias.cli.console import StoreOption, out
from camembias.text import printable

_HELP = """Concept words: what each label is about, so that finding them is no bias.

Example: camembias concepts suggest --store stores/mine
"""
concepts = typer.Typer(name="concepts", no_args_is_help=True, help=_HELP)

_AS_IS: dict[str, Any] = {"markup": False, "soft_wrap": True}


def register(app: typer.Typer) -> None:
    app.add_typer(concepts)


@concepts.callback()
def _group() -> None:
    pass  # with one command alone, typer would leave its name out


@concepts.command()
def suggest(
    store: StoreOption = Path("stores/default"),
    top: Annotated[int, typer.Option(help="Most words a label.")] = 20,
) -> None:
    """Print the store's concept words with additions, as a concepts file. What is only a guess is a comment.

    Example: camembias concepts suggest --store stores/mine > proposed.toml
    """
    found = stores.open_existing(store)
    query = sqlfiles.query("concept_suggestions")
    rows = catalog.run_query(found, query, {"top": str(top)}).partition_by("label", as_dict=True)
    known = catalog.run_sql(
        found,
        "SELECT label, list(word ORDER BY word) AS words FROM (FROM concepts UNION ALL "
        "SELECT DISTINCT label, '<residual>' FROM residual_labels WHERE given) GROUP BY ALL ORDER BY 1",
    )
    words = dict(known.iter_rows())
    for (label,), proposed in rows.items():
        alike = proposed.filter(pl.col("like").is_not_null())["word"]
        others = proposed.filter(pl.col("like").is_null())["word"]
        words[label] = [*words.get(label, []), *alike]
        out.print(f"# goes with {_quoted(label)} in training; add what says what it means: {_listed(others)}", **_AS_IS)
    for label in sorted(words):
        out.print(f"{_quoted(label)} = [{_listed(words[label])}]", **_AS_IS)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(map(_quoted, words))


def _quoted(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)
