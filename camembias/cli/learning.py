"""What train and pretrain share: their common options, and how far a run is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from camembias.cli.console import errors, say_line
from camembias.cli.progress_lines import Lines


class Precision(StrEnum):
    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


BaseModel = Annotated[
    str, typer.Option(help="A short name (README), a hub name, a folder, or 'tiny' (made from scratch, no network).")
]
Encoding = Annotated[str | None, typer.Option(help="Of text files; UTF-8 when not given.")]
Epochs = Annotated[
    float | None, typer.Option(min=0.01, max=1e4, help="Passes over the tweets; by base model and data.")
]
LearningRate = Annotated[float | None, typer.Option(min=1e-9, max=1.0, help="Highest learning rate; by base model.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Tweets a batch.")]
Accumulate = Annotated[int, typer.Option(min=1, help="Batches a step, where one large batch does not fit.")]
PrecisionOption = Annotated[Precision, typer.Option(help="auto: what a GPU has, fp32 on a CPU.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was killed.")]


@contextmanager
def step_bar() -> Iterator[Callable[[str, float, float], None]]:
    """A function that shows what is being done and how far it is: a bar, or lines where stderr is no terminal."""
    if not errors.is_terminal:
        with Lines(say_line, "preparing", unit="steps") as lines:
            yield lines.update
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda title, done, total: bars.update(task, description=title, completed=done, total=total)
