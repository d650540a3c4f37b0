"""The one way to fill in a template: every value escaped, and nothing in it that a page would obey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from camembias.text import printable

TEMPLATES = Path(__file__).parent / "templates"
_KEPT = "\u200d\n\t\u00a0\u202f"  # what a page may hold beside printable characters


def environment() -> Environment:
    """Templates that escape every value, and show control characters and bidi overrides as U+FFFD."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_inert,
    )


def _inert(value: Any) -> Any:
    return printable(value, _KEPT) if isinstance(value, str) and not isinstance(value, Markup) else value
