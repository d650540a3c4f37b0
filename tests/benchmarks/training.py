"""Training speed: this project's loop against a plain transformers Trainer that pads to max_length.

The same invented tweets, model, batch size and steps; real tokens a second, padding not counted. Both run in turn in
one process, several rounds, and medians are compared: only the ratio means anything on another machine.

    python tests/benchmarks/training.py                # tiny, about two minutes on two idle cores
    python tests/benchmarks/training.py --size base    # camembert-base's shape, random weights: much longer
    python tests/benchmarks/training.py --precision bf16 --size base
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import (
    CamembertConfig,
    CamembertForSequenceClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    logging,
)

from camembias import synthetic
from camembias.labels import Labels
from train import loop, tiny
from train.classifier import MAX_LENGTH, Tweets

BATCH = 32


def model(size: str, vocabulary: int, labels: Labels) -> Any:
    torch.manual_seed(0)
    if size == "tiny":
        return tiny.classifier(vocabulary, labels.names, MAX_LENGTH)
    config = CamembertConfig(  # camembert-base's shape; its 32,005 pieces cost little beside 12 layers
        vocab_size=32_005, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, num_labels=len(labels)
    )
    return CamembertForSequenceClassification(config)


def plain(network: Any, rows: Tweets, tokenizer: Any) -> None:
    def padded(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return tokenizer.pad(batch, padding="max_length", max_length=MAX_LENGTH, return_tensors="pt")

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=BATCH, report_to=[], save_strategy="no",
            logging_strategy="no", disable_tqdm=True, seed=0, dataloader_pin_memory=torch.cuda.is_available(),
        )  # fmt: skip
        trainer = Trainer(network, arguments, data_collator=padded, train_dataset=rows)
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def ours(network: Any, rows: Tweets, tokenizer: Any, precision: str) -> None:
    recipe = loop.Recipe(epochs=1, learning_rate=5e-5, batch_size=BATCH, seed=0, precision=precision)
    with tempfile.TemporaryDirectory() as folder:  # its checkpoint at the end of the epoch counts against it
        collate = DataCollatorWithPadding(tokenizer)
        loop.fit(network, rows, rows.lengths, collate, recipe, Path(folder), lambda *_: None, "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("tiny", "base"), default="tiny")
    parser.add_argument("--tweets", type=int, help="640 for tiny and 128 for base when not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of our loop")
    asked = parser.parse_args()
    logging.set_verbosity_error()
    tweets = synthetic.tweets(asked.tweets or {"tiny": 640, "base": 128}[asked.size], seed=1)
    labels, texts = Labels.of(tweets["label"]), tweets["text"].to_list()
    tokenizer = tiny.tokenizer(texts, MAX_LENGTH)
    rows = Tweets(tokenizer, tweets, labels, MAX_LENGTH)
    tokens = sum(rows.lengths)
    seconds: dict[str, list[float]] = {"plain Trainer, padded to max_length": [], f"ours, {asked.precision}": []}
    runs = (
        lambda network: plain(network, rows, tokenizer),
        lambda network: ours(network, rows, tokenizer, asked.precision),
    )
    for round_ in range(asked.rounds + 1):
        for name, run in zip(seconds, runs, strict=True):
            network = model(asked.size, len(tokenizer), labels)
            began = time.perf_counter()
            run(network)
            if round_:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
    (slow, slow_times), (fast, fast_times) = seconds.items()
    table = Table(title=f"{len(rows):,} tweets, {tokens / len(rows):.1f} tokens each, {asked.size}, one epoch")
    for column in ("loop", "real tokens/s (median)", "seconds, each round"):
        table.add_column(column)
    for name, times in seconds.items():
        table.add_row(name, f"{tokens / median(times):,.0f}", " ".join(f"{value:.1f}" for value in times))
    console = Console(width=110)
    console.print(table)
    each = [one / other for one, other in zip(slow_times, fast_times, strict=True)]
    console.print(
        f"{fast} / {slow}: {median(slow_times) / median(fast_times):.2f} × (rounds {min(each):.2f}–{max(each):.2f})"
    )


if __name__ == "__main__":
    main()
