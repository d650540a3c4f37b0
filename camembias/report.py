"""The report: one offline HTML file of what a store answers, to read, print and pass on.

Asks only named queries, so every number can be asked again; the wording and the layout are `templates/report.html`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from camembias import catalog, sqlfiles
from camembias.errors import MissingExtra
from camembias.files import write_text
from camembias.sqlfiles import Query
from camembias.store import Store, now

_ROWS = 200  # of the word/label table
_WORST = 10  # incomplete explanations that are listed; all are counted
_ALL = str(2**62)
_UP, _DOWN = "#1f5f99", "#b35806"
_MODELS = "SELECT name, model_version, serving_version, labels, manifest, seen_at FROM models ORDER BY seen_at DESC"


@dataclass(frozen=True, slots=True)
class Answer:
    """A named query, the values it was asked with, and its rows."""

    query: Query
    values: dict[str, str | None]
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; `numeric` says which columns align right, `head` which column names the row."""

    caption: str
    columns: list[str]
    numeric: list[bool]
    head: int
    rows: list[list[str]]


def write_report(store: Store, target: Path) -> Path:
    """Ask the store's queries and write `target`, whole or not at all. Raises MissingExtra without altair or jinja2."""
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ModuleNotFoundError as err:
        raise MissingExtra(err.name or "altair", "report") from err
    if not store.catalog.exists():
        catalog.refresh(store)
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    write_text(target, environment.get_template("report.html").render(_content(store)))
    return target


def _content(store: Store) -> dict[str, Any]:
    shares = _ask(store, "label_shares")
    up, down = (_ask(store, name, top="10") for name in ("words_up", "words_down"))
    words, concepts = _ask(store, "word_label"), _ask(store, "concept_share")
    verdicts, quality = _ask(store, "verdicts", top=str(_ROWS)), _ask(store, "explanation_quality")
    status, incomplete = _ask(store, "explanation_status"), _ask(store, "incomplete_explanations", top=_ALL)
    explained = sum(status.rows["explained"]) if status.rows.height else 0
    axis, by_version = "share of tweets, with 95 % interval", _by(shares.rows, "serving_version")
    listed, worst = words.rows.head(_ROWS), incomplete.rows.head(_WORST)
    return {
        "written_at": _cell(now()),
        "models": [_model(row) for row in catalog.run_sql(store, _MODELS).iter_rows(named=True)],
        "explained": bool(explained or incomplete.rows.height or concepts.rows.height),
        **{"shares": shares, "up": up, "down": down, "words": words},
        **{"concepts": concepts, "status": status, "incomplete": incomplete, "quality": quality, "verdicts": verdicts},
        "shares_table": _table(shares.rows, "Tweets by label", "label"),
        "shares_charts": [(name, _bars(rows, "label", "share", axis)) for name, rows in by_version],
        "pushes": _pushes(up.rows, down.rows),
        "words_table": _table(listed, f"Words and labels: first {listed.height} of {words.rows.height}"),
        "verdicts_table": _table(
            verdicts.rows, f"Words that three witnesses were heard on: first {verdicts.rows.height}"
        ),
        "concepts_table": _table(concepts.rows, "Push that comes from concept words, by label", "label"),
        "status_table": _table(status.rows, "Explanations: tweets times targets"),
        "quality_table": _table(
            quality.rows.drop("method", "computed_at"), "Faithfulness of the explanations", "measure"
        ),
        "incomplete_table": _table(worst, f"The worst {worst.height}"),
    }


def _ask(store: Store, name: str, **values: str) -> Answer:
    query = sqlfiles.query(name)
    shown = {param.name: values.get(param.name, param.default) for param in query.params}
    return Answer(query, shown, catalog.run_query(store, query, values))


def _model(row: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of one serving version, ready to print; a part it lacks is empty."""
    manifest = json.loads(row["manifest"] or "{}")
    facts = [
        ("Name", row["name"]),
        ("Model version", row["model_version"]),
        ("Serving version", row["serving_version"]),
        ("Labels", ", ".join(row["labels"])),
        ("Base model", manifest.get("base_model")),
        ("Longest input", f"{manifest['max_length']} tokens" if "max_length" in manifest else None),
        ("Normaliser version", manifest.get("normaliser")),
        ("Last registered here", row["seen_at"]),
        *((f"Data: {key.replace('_', ' ')}", value) for key, value in manifest.get("data", {}).items()),
        *((f"Version of {key}", value) for key, value in manifest.get("versions", {}).items()),
    ]
    metrics = manifest.get("metrics") or {}
    per_label = [{"label": name, **found} for name, found in metrics.get("per_label", {}).items()]
    numbers = [(key, metrics[key]) for key in ("tweets", "accuracy", "macro_f1", "majority_share") if key in metrics]
    return {
        "name": row["name"],
        "version": row["model_version"],
        "facts": [(name, _cell(value)) for name, value in facts if value is not None],
        "summary": metrics.get("summary", []),
        "numbers": [(key.replace("_", " "), _cell(value)) for key, value in numbers],
        "metrics_table": _table(pl.DataFrame(per_label), "Test tweets, by true label") if per_label else None,
        "labels": metrics.get("labels", []),
        "confusion": _confusion(metrics),
    }


def _confusion(metrics: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(true label, cells): the count, its share of the row, and a shade that leaves black text readable."""
    rows = []
    for truth, counts in zip(metrics.get("labels", []), metrics.get("confusion_matrix", []), strict=False):
        shares = [int(count) / max(sum(counts), 1) for count in counts]
        pairs = zip(counts, shares, strict=True)
        rows.append((str(truth), [{"count": n, "share": f"{x:.0%}", "shade": f"{0.55 * x:.2f}"} for n, x in pairs]))
    return rows


def _by(rows: pl.DataFrame, column: str) -> Iterable[tuple[str, pl.DataFrame]]:
    for name in sorted(set(rows[column])):
        yield str(name), rows.filter(pl.col(column) == name)


def _pushes(up: pl.DataFrame, down: pl.DataFrame) -> list[dict[str, Any]]:
    both = pl.concat([up, down.reverse()])  # from the strongest push to the strongest pull
    axis = "mean centred logit a tweet, with 95 % interval"
    found = ((label, rows, _bars(rows, "word", "mean_score", axis)) for label, rows in _by(both, "label"))
    return [{"label": x, "chart": svg, "table": _table(rows.drop("label"), f"Words and {x}")} for x, rows, svg in found]


def _bars(rows: pl.DataFrame, name: str, value: str, title: str) -> Any:
    """Inline SVG: a bar a row, left or right of zero, and its interval. vl_convert escapes every text."""
    import altair as alt
    import vl_convert
    from markupsafe import Markup

    base = alt.Chart(alt.InlineData(values=rows.select(name, value, "low", "high").to_dicts()))
    y = alt.Y(f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=160))
    fill = alt.condition(alt.datum[value] < 0, alt.value(_DOWN), alt.value(_UP))
    bars = base.mark_bar(height=12).encode(y=y, x=alt.X(f"{value}:Q", title=title), color=fill)
    known = base.transform_filter("isValid(datum.low) && isValid(datum.high)").mark_rule(color="black")
    intervals = known.encode(y=y, x="low:Q", x2="high:Q")
    chart = (bars + intervals).properties(width=380, height=alt.Step(20)).configure_view(stroke=None)
    return Markup(vl_convert.vegalite_to_svg(chart.to_dict()))


def _table(rows: pl.DataFrame, caption: str, head: str | None = None) -> Table:
    cells = [[_cell(value) for value in row] for row in rows.iter_rows()]
    columns, numeric = [name.replace("_", " ") for name in rows.columns], [kind.is_numeric() for kind in rows.dtypes]
    return Table(caption, columns, numeric, rows.columns.index(head) if head else 0, cells)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, (bool, float)):
        return f"{value:.3f}" if isinstance(value, float) else ("no", "yes")[value]
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_cell(item)}" for key, item in value.items())
    return "; ".join(map(_cell, value)) if isinstance(value, list) else str(value)
