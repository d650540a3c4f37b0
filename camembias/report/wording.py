"""What the report says and how it writes numbers, in one language. The words are `templates/report_wording.toml`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from camembias.errors import InputError

LANGUAGES = ("en", "fr")
NONE = "–"
TEMPLATES = Path(__file__).parent.parent / "templates"
_GROUP = {"en": ",", "fr": "\u202f"}  # between thousands
_POINT = {"en": ".", "fr": ","}
_TO = {"en": ",\u00a0", "fr": "\u00a0;\u00a0"}  # between the ends of an interval
_PERCENT = {"en": "%", "fr": "\u00a0%"}
# The columns whose cells are words of ours; any other text came from the data and is never translated.
_OURS = {
    "kind": "kinds",
    "verdict": "verdicts",
    **dict.fromkeys(
        ("who", "cue", "origin", "status", "measure", "variant", "job", "decision", "method", "change"), "values"
    ),
}


@dataclass(frozen=True)
class Wording:
    """One language. Raises InputError for a language that has no words here."""

    lang: str

    def __post_init__(self) -> None:
        if self.lang not in LANGUAGES:
            raise InputError(f"no report in language '{self.lang}'; there are: {', '.join(LANGUAGES)}")

    @cached_property
    def _tables(self) -> dict[str, dict[str, str]]:
        found = tomllib.loads((TEMPLATES / "report_wording.toml").read_text(encoding="utf-8"))
        at = LANGUAGES.index(self.lang)
        return {table: {key: said[at] for key, said in rows.items()} for table, rows in found.items()}

    @property
    def text(self) -> dict[str, str]:
        return self._tables["text"]

    @property
    def meanings(self) -> dict[str, str]:
        return self._tables["meanings"]

    def of_kind(self, name: str) -> str:
        """The plural of a kind, of its name in angle brackets."""
        return self._tables["of_kind"][name]

    def column(self, name: str) -> str:
        return self._tables["columns"][name]

    def term(self, column: str, value: str) -> str:
        """A cell of `column`: in this language where it is a word of ours, else as it is."""
        return self._tables[_OURS[column]].get(value, value) if column in _OURS else value

    def number(self, value: float, digits: int = 2) -> str:
        """With so many decimals; from 1,000 on with none, in groups of three digits."""
        if not math.isfinite(value):
            return NONE
        if abs(round(value, digits)) >= 1000:
            return self.count(round(value))
        return f"{value:.{digits}f}".replace("-", "−").replace(".", _POINT[self.lang])

    def count(self, value: int) -> str:
        return f"{value:,}".replace("-", "−").replace(",", _GROUP[self.lang])

    def percent(self, share: float) -> str:
        return self.number(100 * share, 1) + _PERCENT[self.lang]

    def points(self, difference: float) -> str:
        """Of two shares, in percentage points."""
        return ("+" if difference > 0 else "") + self.number(100 * difference)

    def interval(self, low: float | None, high: float | None, end: Callable[[float], str] | None = None) -> str:
        """`[0.81, 0.87]`, its ends written by `end`; a dash where one is not known."""
        if low is None or high is None:
            return NONE
        end = end or self.number
        return f"[{end(low)}{_TO[self.lang]}{end(high)}]"

    def when(self, value: datetime) -> str:
        return f"{value:%Y-%m-%d %H:%M} UTC"

    def cell(self, column: str, value: Any) -> str:
        """Any value as text; None and numbers that are none are a dash."""
        if value is None or value == "":
            return NONE
        if isinstance(value, bool):
            return self.text["yes" if value else "no"]
        if isinstance(value, float):
            return self.number(value)
        if isinstance(value, int):
            return self.count(value)
        if isinstance(value, datetime):
            return self.when(value)
        if isinstance(value, date):
            return f"{value:%Y-%m}"
        return ", ".join(map(str, value)) if isinstance(value, list) else self.term(column, str(value))
