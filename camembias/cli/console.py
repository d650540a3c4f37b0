"""What the commands share: where they write, how they show tables and progress, and their common options."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich import box
from rich.cells import cell_len
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
from camembias.cli.progress_lines import Lines, speed
from camembias.errors import InputError, MissingExtra
from camembias.settings import BROKER_VARIABLE, MODEL_VARIABLE, STORE_VARIABLE
from camembias.store import outside
from camembias.text import as_word, printable

_KEPT = "\u200d\n\t\u00a0\u202f"  # what a terminal may be sent beside printable characters
_LONGEST = 300  # characters of a cell: a tweet, but no manifest
_BREAKABLE = 24  # a word this long may be broken to keep a column
_PADDING = 3  # between columns
_NO_ROOM = "no room for (see --format csv, or widen)"
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
        if name in values:
            raise InputError(f"{option} '{pair}': '{name}' is given twice; give one value")
        values[name] = value or None
    return values


def words_given(option: str, given: Iterable[str]) -> list[str]:
    """Words as they are counted in tweets."""
    counted = []
    for text in given:
        if (word := as_word(text)) is None:
            raise InputError(f"{option} '{text}' is not one word; give one each time, as words_up shows it")
        counted.append(word)
    return counted


def not_in_a_store(target: Path | None) -> Path | None:
    """Of an option that names a file to be written."""
    return target and outside(target)


def print_json(body: Any) -> None:
    print_text(json.dumps(body, ensure_ascii=False, default=str))


def print_text(text: str) -> None:
    """As it is for a program; without control characters on a terminal."""
    print(printable(text, _KEPT) if sys.stdout.isatty() else text)


def print_table(frame: pl.DataFrame, title: str | None = None) -> None:
    """Rows of a query. Tweets are hostile text: control characters never reach the terminal.

    A value and its NAME_low and NAME_high make one column. What has no value, or no room, is named below.
    """
    empty = [name for name in frame.columns if frame.height and frame[name].null_count() == frame.height]
    columns = {name: cells for name, cells in _columns(frame, empty).items() if name not in empty}
    headings = {name: _heading(shown(name), cells) for name, cells in columns.items()}
    least = [_width([headings[name], *cells]) for name, cells in columns.items()]
    fitting = max(1, sum(width <= out.width for width in accumulate(one + _PADDING for one in least)))
    most = [max(map(cell_len, [*headings[name].split("\n"), *cells])) for name, cells in columns.items()]
    widths = _shared(out.width - _PADDING * fitting, least[:fitting], most)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, width in zip(columns, widths, strict=False):
        justify: Any = "right" if frame[name].dtype.is_numeric() else "left"
        table.add_column(Text(headings[name]), justify=justify, overflow="fold", width=width)
    for row in zip(*list(columns.values())[:fitting], strict=True):
        table.add_row(*map(Text, row))
    if title:
        out.print(Text(title, style="italic"))
    if columns:
        out.print(table)
    for what, names in {"no value in": empty, _NO_ROOM: list(columns)[fitting:]}.items():
        if names:
            out.print(Text(f"{what}: {', '.join(map(shown, names))}", style="dim"))


def _columns(frame: pl.DataFrame, empty: Sequence[str]) -> dict[str, list[str]]:
    """Cells as text, by column; bounds stand with the value that they are of, if there is one."""
    found: dict[str, list[str]] = {}
    inside: set[str] = set()
    for name in frame.columns:
        cells = [shown(value) for value in frame[name]]
        ends = (f"{name}_low", f"{name}_high")
        if name not in empty and name not in inside and set(ends) <= set(frame.columns):
            low, high = (map(shown, frame[end]) for end in ends)
            cells = [f"{one} [{lo},{hi}]" if lo or hi else one for one, lo, hi in zip(cells, low, high, strict=True)]
            inside.update(ends)
        found[name] = [one if len(one) <= _LONGEST else f"{one[:_LONGEST]}…" for one in cells]
    return {name: cells for name, cells in found.items() if name not in inside}


def _heading(name: str, cells: list[str]) -> str:
    """On several lines, broken after an underscore or a space, where it is longer than what stands below."""
    parts = re.findall(r"[^_ ]+[_ ]*|^[_ ]+", name)
    width = max([_width(cells), *(len(part.rstrip()) for part in parts)], default=0)
    lines = [""]
    for part in parts:
        if len(lines[-1] + part.rstrip()) <= width:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(line.rstrip() for line in lines)


def _width(cells: list[str]) -> int:
    """Of the longest word, up to where a word may be broken."""
    return min(_BREAKABLE, max((cell_len(word) for cell in cells for word in cell.split()), default=0))


def _shared(room: int, least: list[int], most: list[int]) -> list[int]:
    """Widths that fill the room at most, those first that need little more than the least."""
    widths, room = list(least), room - sum(least)
    for done, at in enumerate(sorted(range(len(least)), key=lambda at: most[at] - least[at])):
        more = max(0, min(most[at] - least[at], room // (len(least) - done)))
        widths[at], room = widths[at] + more, room - more
    return widths


def shown(value: Any) -> str:
    """A cell as text, without control characters."""
    if value is None:
        return ""
    if isinstance(value, pl.Series):
        return ", ".join(map(shown, value))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 999.5 <= abs(value) < 1e15 else f"{value:.3g}"
    return printable(str(value))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(speed(task.speed) if task.speed else "")


@contextmanager
def progress_bar(
    title: str, total: float | None = None, unit: str = "", done: float = 0
) -> Iterator[Callable[[float], None]]:
    """A function that advances a bar on stderr, or lines now and then where stderr is no terminal.

    Args:
        unit: what is counted, in lines: "tweets".
        done: of `total`, what was done before.
    """
    if not errors.is_terminal:
        with Lines(say_line, title, total, unit, done) as lines:
            yield lines.advance
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, speed_estimate_period=120) as bars:
        task = bars.add_task(title, total=total, completed=int(done))
        yield lambda amount: bars.advance(task, amount)


def say_line(line: str) -> None:
    errors.print(line, markup=False, soft_wrap=True)
