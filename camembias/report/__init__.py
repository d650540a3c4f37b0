"""The report: one offline HTML file of what a store answers, to read, print and pass on.

Asks only named queries, so every number can be asked again. The layout is `templates/report.html`, the
words are `templates/report_wording.toml`; charts are drawn when the file is written, and a small script of ours sorts
and filters.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from camembias import __version__, catalog, copies
from camembias.errors import MissingExtra
from camembias.files import write_text
from camembias.report.wording import TEMPLATES, Wording
from camembias.store import Store, now


def write_report(store: Store, target: Path, lang: str = "en", with_text: bool = True) -> Path:
    """Ask the store's queries and write `target`, whole or not at all. Not `with_text`: no tweets and no ids of them.

    Raises MissingExtra without altair or jinja2, InputError for a `lang` that has no words.
    """
    say = Wording(lang)
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401

        from camembias.templating import environment
    except ModuleNotFoundError as err:
        raise MissingExtra(err.name or "altair", "report") from err
    if not store.catalog.exists():
        catalog.refresh(store)
    write_text(target, environment().get_template("report.html").render(_content(store, say, with_text)))
    return target


def _content(store: Store, say: Wording, with_text: bool) -> dict[str, Any]:
    from markupsafe import Markup

    from camembias.report import sections

    found = {
        **sections.classified(store, say),
        **sections.recounted(store, say),
        **sections.models(store, say),
        **sections.looked_at(store, say),
        **sections.verdicts(store, say, with_text),
        **sections.explained(store, say, with_text),
        **sections.ran(store, say),
    }
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {
        "say": say,
        "t": say.text,
        "version": __version__,
        "mark": copies.mark(store),
        "written_at": say.when(now()),
        "with_text": with_text,
        "style": Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
        "glance": sections.at_a_glance(found["verdicts"].rows, found["recount"].rows, say, found["detectable"].rows),
        **found,
    }
