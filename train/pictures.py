"""The two pictures of an evaluation, as PNG: the confusion matrix and the reliability diagram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from camembias.files import replacing


def confusion_matrix(found: dict[str, Any], path: Path) -> None:
    """Colour is the share of the row, that is of what a label truly is; text is the count, and the share below it."""
    rows = []
    for truth, counts in zip(found["labels"], found["confusion_matrix"], strict=True):
        for predicted, count in zip(found["labels"], counts, strict=True):
            share = count / sum(counts) if sum(counts) else 0.0
            rows.append(
                {"truth": truth, "predicted": predicted, "share": share, "count": str(count), "text": f"{share:.0%}"}
            )
    order, slanted = found["labels"], 0 if max(map(len, found["labels"])) <= 14 else -30
    base = alt.Chart(pl.DataFrame(rows)).encode(
        x=alt.X("predicted:N", title="the model says", sort=order, axis=alt.Axis(labelAngle=slanted, labelLimit=300)),
        y=alt.Y("truth:N", title="the tweet is", sort=order, axis=alt.Axis(labelLimit=300)),
    )
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color("share:Q", title="share of row", scale=alt.Scale(scheme="blues", domain=[0, 1]))
    )
    ink = alt.condition("datum.share > 0.5", alt.value("white"), alt.value("black"))
    counts_ = base.mark_text(fontSize=15, fontWeight="bold", dy=-8).encode(text="count:N", color=ink)
    shares = base.mark_text(fontSize=12, dy=9).encode(text="text:N", color=ink)
    title = f"{found['tweets']} tweets: accuracy {found['accuracy']:.3f}, macro-F1 {found['macro_f1']:.3f}"
    side = max(320, 105 * len(order))
    chart = (cells + counts_ + shares).properties(width=side, height=max(220, 62 * len(order)), title=title)
    _save(chart.configure_axis(labelFontSize=13, titleFontSize=13), path)


def reliability(found: dict[str, Any], path: Path) -> None:
    """How often the model is right against how sure it is; on the diagonal it is as right as it says.

    A point is a bin of about equally many tweets, its line a 95 % Clopper-Pearson interval.
    """
    calibration, rows = found["calibration"], []
    names = ["as trained", f"temperature {calibration['temperature']:.2f}"]
    for key, name in zip(("before", "after"), names, strict=True):
        for place in calibration[key]["bins"]:
            low, high = place["interval"]
            rows.append(
                {"how": name, "sure": place["confidence"], "right": place["accuracy"], "low": low, "high": high}
            )
    schema = {
        "how": pl.String(),
        "sure": pl.Float64(),
        "right": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
    }
    base = alt.Chart(pl.DataFrame(rows, schema=schema)).encode(
        x=alt.X("sure:Q", title="probability of the model's answer (mean of the bin)", scale=alt.Scale(domain=[0, 1])),
        color=alt.Color("how:N", title=None, scale=alt.Scale(domain=names, range=["#9a9a9a", "#1f5fa8"])),
    )
    lines = base.mark_rule().encode(y=alt.Y("low:Q", title="share of right answers"), y2="high:Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=alt.Y("right:Q", title="share of right answers", scale=alt.Scale(domain=[0, 1])),
        shape=alt.Shape("how:N", title=None, scale=alt.Scale(domain=names)),
    )
    diagonal = (
        alt.Chart(pl.DataFrame({"sure": [0.0, 1.0], "right": [0.0, 1.0]}))
        .mark_line(strokeDash=[4, 4], color="black", strokeWidth=1)
        .encode(x="sure:Q", y="right:Q")
    )
    errors = [calibration[key]["ece"] for key in ("before", "after")]
    shown = " → ".join("–" if error is None else f"{error:.3f}" for error in errors)
    chart = (diagonal + lines + points).properties(width=380, height=380, title=f"Calibration error (ECE) {shown}")
    _save(chart.configure_axis(labelFontSize=13, titleFontSize=13), path)


def _save(chart: Any, path: Path) -> None:
    with replacing(path) as temporary:
        chart.save(str(temporary), format="png", scale_factor=2)
