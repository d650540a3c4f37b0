"""What the commands share: where they write, how they show tables and progress, and their common options."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from camembias import logs
from camembias.errors import InputError, MissingExtra
from camembias.settings import BROKER_VARIABLE, MODEL_VARIABLE, STORE_VARIABLE
from camembias.text import printable

_KEPT = "\u200d\n\t\u00a0\u202f"  # what a terminal may be sent beside printable characters
_WIDE = 120  # columns of tables in a file or a pipe; rich would say 80, and fold them into ribbons


class _Console(Console):
    """Ids, labels and columns come from data files: no string is shown with what a terminal would obey."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(printable(text, _KEPT), **how)


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    free = stream.isatty() or "COLUMNS" in os.environ
    return _Console(stderr=stderr, highlight=False, width=None if free else _WIDE)


out = _console(stderr=False)
errors = _console(stderr=True)

StoreOption = Annotated[Path, typer.Option("--store", envvar=STORE_VARIABLE, help="Folder of the store.")]
ModelOption = Annotated[Path, typer.Option("--model", envvar=MODEL_VARIABLE, help="Folder of the model bundle.")]
BrokerOption = Annotated[str, typer.Option("--broker-url", envvar=BROKER_VARIABLE, help="Redis or Valkey address.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
LogJsonOption = Annotated[
    bool, typer.Option("--log-json", envvar=logs.VARIABLE, help="Log one JSON object a line, for programs.")
]


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around the import of a stage: a package that is not installed becomes one line that says how to get it."""
    try:
        yield
    except ImportError as err:
        raise MissingExtra(str(err.name), extra) from err


def name_values(option: str, pairs: list[str] | None) -> dict[str, str | None]:
    """{name: value} of a repeated option given as name=value; None for a value that is empty."""
    values: dict[str, str | None] = {}
    for pair in pairs or []:
        name, sign, value = pair.partition("=")
        if not sign:
            raise InputError(f"{option} '{pair}': write it as name=value, or as name= for no value")
        values[name] = value or None
    return values


def print_json(body: Any) -> None:
    print_text(json.dumps(body, ensure_ascii=False, default=str))


def print_text(text: str) -> None:
    """As it is for a program; without control characters on a terminal."""
    print(printable(text, _KEPT) if sys.stdout.isatty() else text)


def print_table(frame: pl.DataFrame, title: str | None = None) -> None:
    """Rows of a query. Tweets are hostile text: control characters never reach the terminal."""
    table = Table(title=Text(title) if title else None, title_justify="left")
    for name, dtype in frame.schema.items():
        table.add_column(Text(shown(name)), justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*(Text(shown(value)) for value in row))
    out.print(table)


def shown(value: Any) -> str:
    """A cell as text, without control characters."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(str(value))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def progress_bar(title: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """A function that advances a bar on stderr; silent when stderr is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bars:
        task = bars.add_task(title, total=total)
        yield lambda amount: bars.advance(task, amount)
