"""The lines of a file or a pipe, with a mark in place of one that is too long."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import TextIO

from camembias.lines import LINE_LIMIT, Lines, LineTooLong

TOO_LONG = ""  # no line is empty: each has its end


def file_lines(text: TextIO) -> Iterator[str]:
    """Every line; TOO_LONG in place of one that is."""
    lines = Lines(text)
    while True:
        lines.record.clear()
        try:
            line = next(lines, None)
        except LineTooLong:
            line = TOO_LONG
        if line is None:
            return
        yield line


def stream_lines(descriptor: int, wait_s: float) -> Iterator[str | None]:
    """The same of a pipe, and None each time that `wait_s` passes without a line, so that a reader can flush."""
    pending, too_long = b"", False
    while True:
        ready, _, _ = select.select([descriptor], [], [], wait_s)
        if not ready:
            yield None
            continue
        block = os.read(descriptor, 1 << 16)
        *whole, pending = (pending + block).split(b"\n")
        if not block and (pending or too_long):
            whole = [pending]
        for line in whole:
            yield TOO_LONG if too_long else line.decode("utf-8", "surrogateescape") + "\n"
            too_long = False
        if len(pending) > LINE_LIMIT:
            pending, too_long = b"", True
        if not block:
            return
