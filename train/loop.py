"""One run of transformers' Trainer, as both fine-tuning and pretraining use it.

Adds to it: batches of tweets of like length in an order that depends on seed and epoch alone, early stopping that
survives a restart, checkpoints by the clock, and going on from the last whole checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from camembias.errors import InputError
from train.progress import Steps, Tell

Dataset = torch.utils.data.Dataset[dict[str, Any]]
_MEGABATCH = 50  # batches that are sorted by length together: enough to be alike, few enough to stay mixed
_CHECKPOINT_EVERY_S = 300.0
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast to learn. The rate warms up over the first tenth of the steps, then decays to 0."""

    epochs: float
    learning_rate: float
    batch_size: int
    seed: int
    accumulate: int = 1  # batches a step
    patience: int | None = None  # epochs without a better `judge` before the run stops; None: it never stops early
    precision: str = "auto"


@dataclass(frozen=True, slots=True)
class Judge:
    """How an epoch is judged: `measure` of the Trainer's predictions on `rows`, larger is better."""

    rows: Dataset
    name: str
    measure: Callable[[Any], float]


def fit(
    model: Any,
    rows: Dataset,
    lengths: Sequence[int],
    collate: Any,
    recipe: Recipe,
    folder: Path,
    tell: Tell,
    title: str,
    judge: Judge | None = None,
    loss: Callable[..., torch.Tensor] | None = None,
) -> list[dict[str, float]]:
    """Train `model` in place, keeping the best epoch by `judge`, and tell of each epoch's judgement.

    Goes on from the last checkpoint in `folder`, with the weights that an undisturbed run would have; a finished run
    is only loaded. Whatever it was trained in, the model's logits are fp32 afterwards.
    """
    trainer = _Trainer(
        model=model,
        args=_arguments(recipe, folder, judge),
        train_dataset=rows,
        eval_dataset=judge.rows if judge else None,
        data_collator=collate,
        compute_metrics=(lambda output: {judge.name: judge.measure(output)}) if judge else None,
        compute_loss_func=loss,
        callbacks=[Steps(tell, title), _Checkpoints(), *([_Patience(judge.name, recipe.patience)] if judge else [])],
    )
    trainer.sampler = ByLength(lengths, recipe.batch_size * recipe.accumulate, recipe.seed)
    trainer.remove_callback(PrinterCallback)  # the command line has a progress bar of its own
    last = _last_checkpoint(folder)
    state = json.loads((last / "trainer_state.json").read_text(encoding="utf-8")) if last else {}
    if last and judge and _stalled(state["log_history"], judge.name, recipe.patience):
        trainer._load_from_checkpoint(state["best_model_checkpoint"])
        return _history(state["log_history"], judge)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="mtime may not be reliable")  # it goes by the number then: as good
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)  # else what it says stays rounded to bf16 or fp16
    return _history(trainer.state.log_history, judge)


def precision(wanted: str) -> str:
    """`auto` is bf16 or fp16 on a GPU, whichever it has, and fp32 on a CPU, where bf16 pays on some only.

    Raises InputError for fp16 on a CPU: nothing there would be fp16.
    """
    if wanted == "fp16" and not torch.cuda.is_available():
        raise InputError("--precision fp16 needs a GPU, and PyTorch sees none; take auto, fp32 or bf16")
    if wanted != "auto":
        return wanted
    if not torch.cuda.is_available():
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


class ByLength(torch.utils.data.Sampler[int]):
    """Row numbers such that each run of `size` is of like length; the batches themselves come in random order.

    transformers' own sampler draws from the global random state, so a resumed run would see another order.
    """

    def __init__(self, lengths: Sequence[int], size: int, seed: int) -> None:
        self.lengths, self.size, self.seed, self.epoch = np.array(lengths), size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng((self.seed, self.epoch))
        shuffled = random.permutation(len(self.lengths))
        batches: list[npt.NDArray[np.int64]] = []
        for start in range(0, len(shuffled), self.size * _MEGABATCH):
            part = shuffled[start : start + self.size * _MEGABATCH]
            part = part[self.lengths[part].argsort(kind="stable")]
            batches += [part[first : first + self.size] for first in range(0, len(part), self.size)]
        last = [batches.pop()] if len(batches[-1]) < self.size else []  # only the last may be short: it stays last
        for number in random.permutation(len(batches)):
            yield from batches[number].tolist()
        for batch in last:
            yield from batch.tolist()


class _Trainer(Trainer):  # type: ignore[misc]
    sampler: ByLength

    def _get_train_sampler(self, train_dataset: Any = None) -> ByLength:
        return self.sampler


class _Checkpoints(TrainerCallback):  # type: ignore[misc]
    """Saves by the clock too, since an epoch can last hours."""

    def __init__(self) -> None:
        self.saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if time.monotonic() - self.saved > _CHECKPOINT_EVERY_S:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.saved = time.monotonic()


class _Patience(TrainerCallback):  # type: ignore[misc]
    """Early stopping that keeps nothing of its own: what it needs is in the history that checkpoints hold."""

    def __init__(self, name: str, patience: int | None) -> None:
        self.name, self.patience = name, patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if _stalled(state.log_history, self.name, self.patience):
            control.should_training_stop = True


def _stalled(history: Sequence[dict[str, float]], name: str, patience: int | None) -> bool:
    """Whether the last `patience` epochs were no better than the best before them."""
    values = [entry[f"eval_{name}"] for entry in history if f"eval_{name}" in entry]
    return patience is not None and len(values) > patience and max(values[-patience:]) <= max(values[:-patience])


def _arguments(recipe: Recipe, folder: Path, judge: Judge | None) -> TrainingArguments:
    kind = precision(recipe.precision)
    os.environ["ACCELERATE_MIXED_PRECISION"] = "no"  # else it stays as the last run in this process left it
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        gradient_accumulation_steps=recipe.accumulate,
        warmup_ratio=0.1,
        weight_decay=0.01,
        bf16=kind == "bf16",
        fp16=kind == "fp16",
        eval_strategy="epoch" if judge else "no",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=judge is not None,
        metric_for_best_model=judge.name if judge else None,
        greater_is_better=True if judge else None,
        seed=recipe.seed,
        use_cpu=not torch.cuda.is_available(),  # else it refuses bf16 there
        report_to=[],
        logging_strategy="no",
        log_level="error",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; halves that a killed run left behind are removed. The state is written last."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            whole.append(path)
        except (OSError, ValueError):
            shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _history(log: Sequence[dict[str, float]], judge: Judge | None) -> list[dict[str, float]]:
    key = f"eval_{judge.name}" if judge else ""
    return [{"epoch": entry["epoch"], judge.name: entry[key]} for entry in log if judge and key in entry]
