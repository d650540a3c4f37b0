"""Progress of a training run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback


class Steps(TrainerCallback):  # type: ignore[misc]
    """Tells `advance` of every optimiser step."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        self.advance = advance

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.advance(1)
