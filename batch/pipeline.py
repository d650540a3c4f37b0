"""Two ways to overlap stages of a loop with threads: one item ahead of it, and one item behind it.

    with behind(write) as hand_over:
        for window in ahead(read()):        # the next window is being read
            hand_over(score(window))        # the last one is being written

At most one item waits on each side, so memory is bounded. Errors of either thread are raised in the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Generator[Item, None, None]:
    """The items in order, the next one computed while the present one is used. Close it to wait for its thread."""
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming: Future[object] = thread.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, source, end)
            yield item  # type: ignore[misc]  # only `end` is no Item


@contextmanager
def behind(work: Callable[[Item], None]) -> Iterator[Callable[[Item], None]]:
    """A function that hands an item to `work` in another thread, once the item before it is done.

    What was handed over is done when the block ends, also when it ends with an error.
    """
    last: Future[None] | None = None

    def hand_over(item: Item) -> None:
        nonlocal last
        if last is not None:
            last.result()
        last = thread.submit(work, item)

    with ThreadPoolExecutor(1, "behind") as thread:
        yield hand_over
        if last is not None:
            last.result()
