"""The command line: a thin skin. Each group of commands is a module; stages are imported inside functions only."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Any

import typer

from camembias.cli import (
    asking,
    bulk,
    concepts,
    demo,
    effects,
    explaining,
    exporting,
    forgetting,
    pretraining,
    quality,
    recount,
    schedule,
    selftest,
    status,
    training,
    upkeep,
    worker,
)
from camembias.cli.console import errors
from camembias.errors import CamembiasError, InputError
from camembias.settings import no_telemetry
from camembias.text import printable

app = typer.Typer(
    name="camembias",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train a French tweet classifier, run it in bulk, explain it, and ask in SQL which words push which label.",
)
for group in (
    training,
    pretraining,
    exporting,
    bulk,
    explaining,
    quality,
    effects,
    recount,
    worker,
    status,
    schedule,
    asking,
    concepts,
    upkeep,
    forgetting,
    demo,
    selftest,
):
    group.register(app)

_Unusable: Any = typer.BadParameter.__base__  # of the click that typer brings, or of the one that is installed


def main() -> None:
    """One line for anything a user can mend, and exit code 2, or 75 where trying again later is all it takes.

    SIGTERM ends it in good order with 143: runs are written down, half-written files removed, processes of our own
    ended. The first process of a container would not even hear of it without a handler. A second one kills.
    """
    no_telemetry(os.environ)
    told = []

    def end(number: int, frame: object) -> None:
        told.append(128 + number)
        signal.signal(number, signal.SIG_DFL)
        sys.exit(told[0])

    signal.signal(signal.SIGTERM, end)
    try:
        _refuse_empty(sys.argv[1:])
        code = app(standalone_mode=False, prog_name="camembias")
    except CamembiasError as err:
        _tell(str(err))
        sys.exit(err.exit_code)
    except _Unusable as err:  # arguments that no command takes
        message = " ".join(err.format_message().split())
        if message:  # else the help was asked for, and shown
            path = err.ctx.command_path if err.ctx else "camembias"
            _tell(f"{message.removesuffix('.')}; see: {path} --help")
        sys.exit(err.exit_code)
    except RuntimeError:
        if not told:
            raise
        sys.exit(told[0])  # a query that was interrupted: DuckDB says so with an error of its own
    except Exception as err:
        said = " ".join(str(err).split())
        if not said.startswith("parquet: File out of specification"):  # polars says so, but is not imported for this
            raise
        _tell(f"a Parquet file is damaged ({said}); in a store, camembias doctor says which")
        sys.exit(2)
    sys.exit(code or 0)


def _refuse_empty(arguments: Sequence[str]) -> None:
    """No command has a use for an argument that is empty, and as a path it would be the folder one stands in."""
    for place, argument in enumerate(arguments, start=1):
        if re.fullmatch(r"(--[a-z-]+=)?", argument):
            raise InputError(f"argument {place}, '{argument}', is empty; a variable not set? Fill it or leave it out")


def _tell(line: str) -> None:
    """It may name what a file holds."""
    errors.print(printable(f"camembias: {line}"), style="red", markup=False, highlight=False, soft_wrap=True)
