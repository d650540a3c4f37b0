"""Progress of training, told to whoever shows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

Tell = Callable[[str, float, float], None]  # what is being done, steps done, steps in all


def silent(title: str, done: float, total: float) -> None:
    """A Tell that tells nobody."""


class Steps(TrainerCallback):  # type: ignore[misc]
    """Tells of every optimiser step."""

    def __init__(self, tell: Tell, title: str) -> None:
        self.tell, self.title = tell, title

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        epoch = f", epoch {max(1, math.ceil(state.epoch or 0))} of {state.num_train_epochs}"
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        loss = f", validation loss {losses[-1]:.3f}" if losses else ""
        self.tell(self.title + epoch + loss, state.global_step, state.max_steps)
