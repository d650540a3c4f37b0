"""Slices of a batch, by what the last ones took on this machine, and stopping in one for somebody who waits.

It knows tweets as rows of `requests` with their text, and the model's forward passes. It does not know the store, nor
that a queue exists: who waits, it asks a function.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

SLICE_S = 1.0  # work between two looks at who waits
ASKED_EVERY_S = 0.2  # within a slice; a look at a queue takes about a millisecond
_LARGEST_GROWTH = 8  # of a slice against the one before it: the first passes of a process are no measure of the next
_NEWEST = 0.5  # weight of the last slice in the mean


class GaveWay(BaseException):
    """The batch was stopped for somebody who waits, or because its time is over. What is stored stays."""


@dataclass(slots=True)
class Pace:
    """Milliseconds of work per character and target, by the last slices; None until one was measured."""

    ms: float | None = None
    _tweets: int = field(default=0)  # of the last slice

    def fitting(self, tweets: Sequence[dict[str, Any]], labels: int) -> int:
        """Return how many of the first tweets make about `SLICE_S` of work; 1 before anything was measured."""
        if self.ms is None:
            return 1
        most, total = _LARGEST_GROWTH * self._tweets, 0.0
        for number, tweet in enumerate(tweets[:most]):
            total += self.ms * _size(tweet, labels)
            if number and total > 1000 * SLICE_S:
                return number
        return min(len(tweets), most)

    def learn(self, tweets: Sequence[dict[str, Any]], labels: int, seconds: float) -> None:
        ms = 1000 * seconds / sum(_size(tweet, labels) for tweet in tweets)
        self.ms = ms if self.ms is None else _NEWEST * ms + (1 - _NEWEST) * self.ms
        self._tweets = len(tweets)


def _size(tweet: dict[str, Any], labels: int) -> int:
    """Characters times targets; one more than there are, for the tokens that every tweet has."""
    return (1 + len(tweet["text"])) * (len(tweet["targets"] or ()) or labels)


@contextmanager
def stopping(networks: Sequence[torch.nn.Module], waits: Callable[[], bool]) -> Iterator[None]:
    """Raise GaveWay from the next forward pass of one of `networks` once `waits()` is true; asked now and then."""
    lock, asked, stopped = threading.Lock(), time.monotonic(), False

    def look(*_: object) -> None:
        nonlocal asked, stopped
        with lock:  # passes run side by side
            if not stopped and time.monotonic() - asked >= ASKED_EVERY_S:
                stopped, asked = waits(), time.monotonic()
            if stopped:
                raise GaveWay

    with ExitStack() as hooks:
        for network in {id(one): one for one in networks}.values():
            hooks.callback(network.register_forward_pre_hook(look).remove)
        yield
