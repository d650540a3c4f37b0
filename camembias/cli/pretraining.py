"""pretrain"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camembias.cli.console import JsonOption, needs, out, print_json
from camembias.cli.learning import (
    Accumulate,
    BaseModel,
    BatchSize,
    Encoding,
    Epochs,
    LearningRate,
    Precision,
    PrecisionOption,
    Resume,
    step_bar,
)


def register(app: typer.Typer) -> None:
    app.command()(pretrain)


def pretrain(
    tweets: Annotated[list[Path], typer.Argument(help="Files or folders of tweets, labelled or not; also .txt.")],
    out_: Annotated[Path, typer.Option("--out", help="Folder of the adapted model.")],
    base_model: BaseModel = "camembert-base",
    text_column: Annotated[str | None, typer.Option(help="Column of the text; a,b is the first not empty.")] = None,
    encoding: Encoding = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = 32,
    accumulate: Accumulate = 1,
    precision: PrecisionOption = Precision.AUTO,
    seed: Annotated[int, typer.Option(help="Decides weights, order and masks.")] = 0,
    resume: Resume = False,
    json_: JsonOption = False,
) -> None:
    """Adapt a language model to unlabelled tweets, to be given to train --base-model. One epoch, two for 'tiny'.

    Example: camembias pretrain stream.csv.gz --base-model tiny --out models/adapted
    """
    with needs("train"):
        from train import corpus, pretraining
    texts = corpus.read(tweets, text_column, encoding)
    options = pretraining.Options(base_model, epochs, learning_rate, batch_size, accumulate, precision.value, seed=seed)
    if not json_:
        out.print(
            f"{texts.rows:,} rows; left out: {_counted(texts.dropped)}; "
            f"{len(texts.train):,} texts to learn from, {len(texts.held_out):,} held out"
        )
    with step_bar() as tell:
        record = pretraining.pretrain(texts, out_, options, tell, resume)
    if json_:
        print_json(record)
        return
    out.print(
        f"held-out loss {record['loss_before']:.3f} → {record['loss_after']:.3f}, "
        f"perplexity {record['perplexity_before']:,.1f} → {record['perplexity_after']:,.1f}"
    )
    out.print(f"next: camembias train DATA --out MODEL --base-model {out_}", markup=False)


def _counted(dropped: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items()) or "none"
