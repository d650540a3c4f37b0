"""Lines of a text, numbered, of bounded length, that can be given back; and CSV records over them.

Python's `csv` is right about what it can read, but a quote left open makes it swallow the rest of a file. Here
only the line that opened it is refused: the lines behind are given back and read again.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import TextIO

TEXT_LIMIT = 1 << 17  # characters: nothing that long is a tweet
LINE_LIMIT = 1 << 20  # characters; a longer line is refused, and never held in memory as a whole


class LineTooLong(ValueError):  # noqa: N818 - reads as what it is
    def __init__(self) -> None:
        super().__init__(f"line longer than {LINE_LIMIT} characters")


class Lines:
    """Iterates over lines with their ends; `number` is that of the last one given, starting at 1.

    `record` holds the lines given since it was last cleared; None stands for one that was too long, which raises
    LineTooLong when its turn comes.
    """

    def __init__(self, text: TextIO) -> None:
        self.number = 0
        self.record: list[str | None] = []
        self._text = text
        self._returned: deque[str | None] = deque()

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._read()
        if line == "":
            raise StopIteration
        self.number += 1
        self.record.append(line)
        if line is None:
            raise LineTooLong
        return line

    def give_back(self, lines: list[str | None]) -> None:
        """They come again, in this order, before anything else."""
        self._returned.extendleft(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> str | None:
        line = self._text.readline(LINE_LIMIT)
        if len(line) < LINE_LIMIT or line[-1] in "\r\n":
            return line
        while (rest := self._text.readline(LINE_LIMIT)) and rest[-1] not in "\r\n":
            pass
        return None


Fields = tuple[int, list[str] | None, str]  # first line, values or None, why there are none


def csv_records(lines: Lines, delimiter: str) -> Iterator[Fields]:
    """Every record of a CSV text; one that is broken comes with its first line as raw text in `lines.record[0]`."""
    csv.field_size_limit(TEXT_LIMIT)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)  # strict: a stray quote is told where it stands
    while True:
        lines.record.clear()
        start = lines.number + 1
        try:
            values = next(reader, None)
        except (csv.Error, LineTooLong) as err:
            first, swallowed = lines.record[0], lines.record[1:]
            lines.give_back(swallowed)
            yield start, *_salvaged(first, err, delimiter, bool(swallowed))
            continue
        if values is None:
            return
        if values:  # a blank line is no row
            yield start, values, ""


def _salvaged(first: str | None, err: Exception, delimiter: str, swallowed: bool) -> tuple[list[str] | None, str]:
    """A line such as `1,"he said "no" twice"` is read as Python's `csv` does when it is not strict."""
    if first is None:
        return None, str(LineTooLong())
    if swallowed or "unexpected end" in str(err):
        return None, "a quote is left open"
    try:
        return next(csv.reader([first], delimiter=delimiter), []), ""
    except csv.Error:
        return None, f"not CSV: {err}"
