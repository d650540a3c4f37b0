"""Progress of training, told to whoever shows it."""

from __future__ import annotations

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
        self.tell(self.title, state.global_step, state.max_steps)
