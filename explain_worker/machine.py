"""Tells the machine's trouble from a tweet's: memory that others have taken, an accelerator that is lost."""

from __future__ import annotations

from collections.abc import Callable

import torch

TRIES = 3  # of a tweet alone that lacks memory on a machine that explains another; then it is too large


class MachineError(OSError):
    """Memory or accelerator fail whatever is asked of them: no tweet is to blame. `lost`: in this process for good."""

    def __init__(self, message: str, lost: bool) -> None:
        super().__init__(message)
        self.lost = lost


def is_trouble(err: BaseException) -> bool:
    """Whether the error may come again with any other tweet, or not come again with this one."""
    if isinstance(err, (MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)):
        return True
    return isinstance(err, RuntimeError) and "can't allocate memory" in str(err)  # of PyTorch on a CPU


def check(work: Callable[[], object]) -> None:
    """Do some easy work. Raises MachineError when the machine cannot.

    Call it when the error that is the reason is handled: its traceback holds what filled the memory.
    """
    try:
        torch.cuda.empty_cache()
        work()
    except Exception as err:
        if not is_trouble(err):
            return  # no trouble of the machine's
        raise MachineError(f"no tweet can be explained ({type(err).__name__})", _is_lost(err)) from None


def _is_lost(err: BaseException) -> bool:
    return isinstance(err, torch.AcceleratorError) and not isinstance(err, torch.OutOfMemoryError)
