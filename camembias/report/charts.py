"""Charts as inline SVG, drawn when the report is written: nothing runs or loads when it is read.

Each is as wide as a phone, and the page sets them side by side where there is room. Text is escaped by vl_convert and
again inert by the caller. No meaning by colour alone: sides of zero, shapes and headings say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from camembias.report.wording import Wording
from camembias.shading import AWAY, TOWARDS
from camembias.text import printable

_WIDTH = 340  # pixels, labels and all
_LABEL = 130
_UP, _DOWN = ("#{:02x}{:02x}{:02x}".format(*one) for one in (TOWARDS, AWAY))
_LOCALE: dict[str, Any] = {"en": "en-US", "fr": "fr-FR"}
_FONT = "system-ui, 'Noto Color Emoji', sans-serif"


def bars(
    rows: Sequence[Mapping[str, Any]], name: str, value: str, title: str, say: Wording, shares: bool = False
) -> Markup:
    """A bar a row, left or right of zero, and its interval where `low` and `high` are known."""
    zero = alt.condition("datum.value == 0", alt.value("#1a1a1a"), alt.value("#ddd"))
    axis = alt.Axis(format="%" if shares else alt.Undefined, tickCount=5, gridColor=zero)
    base = alt.Chart(_values(rows, name, value, "low", "high"))
    y = alt.Y(f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=_LABEL, ticks=False, domain=False))
    fill = alt.condition(alt.datum[value] < 0, alt.value(_DOWN), alt.value(_UP))
    drawn = base.mark_bar(height=10).encode(y=y, x=alt.X(f"{value}:Q", title=title, axis=axis), color=fill)
    known = base.transform_filter("isValid(datum.low) && isValid(datum.high)").mark_rule(color="black", strokeWidth=1.5)
    return _svg((drawn + known.encode(y=y, x="low:Q", x2="high:Q")).properties(height=alt.Step(20)), say)


def moved(rows: Sequence[Mapping[str, Any]], title: str, say: Wording) -> Markup:
    """A label a row: a dot for its share, a ring for its share without the words, and what lies between them."""
    base = alt.Chart(_values(rows, "label", "share", "share_without"))
    y = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=_LABEL, ticks=False, domain=False))
    axis = alt.Axis(format="%", tickCount=5)
    x = alt.X("share:Q", title=title, scale=alt.Scale(zero=False), axis=axis)
    between = base.mark_rule(color="#555").encode(y=y, x=x, x2="share_without:Q")
    dots = base.mark_circle(color=_UP, opacity=1, size=45).encode(y=y, x=x)
    rings = base.mark_point(color=_DOWN, fill="white", size=45).encode(y=y, x=alt.X("share_without:Q", title=title))
    return _svg((between + dots + rings).properties(height=alt.Step(20)), say)


def over_time(
    rows: Sequence[Mapping[str, Any]], top: float, say: Wording, without: Sequence[Mapping[str, Any]] = ()
) -> Markup:
    """The share of one label by month, with the band of its interval, on an axis from 0 to `top`.

    `without` are the shares by month of a recount, a dashed line.
    """
    data = [{**row, "month": f"{row['month']:%Y-%m-%d}"} for row in rows]
    base = alt.Chart(_values(data, "month", "share", "low", "high"))
    months = len({row["month"] for row in data})
    form = "%Y-%m" if months <= 36 else "%Y"
    axis = alt.Axis(format=form, tickCount=min(months, 4), labelOverlap=True, labelSeparation=12)
    x = alt.X("month:T", title=None, axis=axis)
    y = alt.Y(
        "share:Q", title=None, scale=alt.Scale(domain=[0, top], nice=True), axis=alt.Axis(format="%", tickCount=4)
    )
    band = base.mark_area(color=_UP, opacity=0.25).encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q")
    line = base.mark_line(color=_UP, point=alt.OverlayMarkDef(color=_UP, size=25)).encode(x=x, y=y)
    drawn = band + line
    if without:
        dashed = [{"month": f"{row['month']:%Y-%m-%d}", "share": row["share_without"]} for row in without]
        drawn += alt.Chart(_values(dashed, "month", "share")).mark_line(color=_DOWN, strokeDash=[4, 3]).encode(x=x, y=y)
    return _svg(drawn.properties(height=110), say)


def calibration(bins: Mapping[str, Sequence[Mapping[str, Any]]], titles: tuple[str, str], say: Wording) -> Markup:
    """Confidence against accuracy, circles after and triangles before; `titles` of the two axes."""
    rows = [
        {
            "confidence": one["confidence"],
            "accuracy": one["accuracy"],
            "low": one["interval"][0],
            "high": one["interval"][1],
        }
        | {"state": state}
        for state, found in bins.items()
        for one in found
    ]
    x, y = (
        axis(f"{name}:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5))
        for axis, name, title in ((alt.X, "confidence", titles[0]), (alt.Y, "accuracy", titles[1]))
    )
    ideal = alt.Chart(alt.InlineData(values=[{"confidence": 0, "accuracy": 0}, {"confidence": 1, "accuracy": 1}]))
    base = alt.Chart(alt.InlineData(values=rows))
    after = base.transform_filter("datum.state == 'after'")
    layers = [
        ideal.mark_line(color="#555", strokeDash=[4, 4]).encode(x=x, y=y),
        base.transform_filter("datum.state == 'before'")
        .mark_point(shape="triangle-up", color=_DOWN, size=45)
        .encode(x=x, y=y),
        after.mark_rule(color="black").encode(x=x, y=alt.Y("low:Q", title=titles[1]), y2="high:Q"),
        after.mark_circle(color=_UP, opacity=1, size=45).encode(x=x, y=y),
    ]
    return _svg(alt.layer(*layers).properties(height=240), say)


def _values(rows: Sequence[Mapping[str, Any]], *columns: str) -> alt.InlineData:
    shown = ({name: row[name] for name in columns} for row in rows)
    return alt.InlineData(
        values=[{key: printable(cell) if isinstance(cell, str) else cell for key, cell in row.items()} for row in shown]
    )


def _svg(chart: Any, say: Wording) -> Markup:
    sized = chart.properties(width=_WIDTH, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    drawn = sized.configure(font=_FONT, padding=6).configure_view(stroke=None)
    drawn = drawn.configure_axis(
        labelFontSize=12, labelFlush=False, titleFontSize=12, titleFontWeight="normal", gridColor="#ddd"
    )
    return Markup(vl_convert.vegalite_to_svg(drawn.to_dict(), format_locale=_LOCALE[say.lang]))
