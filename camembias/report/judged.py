"""How good a model is, from its manifest: every part may be missing, because evaluations differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from camembias.report import charts
from camembias.report.tables import Table, table
from camembias.report.wording import NONE, Wording

_SCORES = ("accuracy", "macro_f1", "mcc")
_PER_LABEL = ("precision", "recall", "f1")


def judged(row: Mapping[str, Any], say: Wording) -> dict[str, Any]:
    """What one model version is worth, ready to print; a part that the manifest lacks is None or empty."""
    metrics = json.loads(row["manifest"] or "{}").get("metrics") or {}
    calibration, shortcuts = metrics.get("calibration"), metrics.get("shortcuts")
    return {
        "name": row["name"],
        "version": row["model_version"],
        "overall": _overall(metrics, say) if metrics else None,
        "per_label": _per_label(metrics, say) if metrics.get("per_label") else None,
        "labels": metrics.get("labels", []),
        "confusion": _confusion(metrics, say),
        "summary": metrics.get("summary", []),
        "calibration": _calibration(calibration, say) if calibration else None,
        "shortcuts": _shortcuts(shortcuts, say) if shortcuts else None,
    }


def provenance(row: Mapping[str, Any], say: Wording) -> list[tuple[str, str]]:
    """(name, value) of what a model is made of."""
    manifest = json.loads(row["manifest"] or "{}")
    data, training = manifest.get("data", {}), manifest.get("data", {}).get("training", {})
    facts: dict[str, Any] = {name: row[name] for name in ("model_version", "serving_version", "labels")}
    facts |= {name: manifest.get(name) for name in ("base_model", "base_revision", "max_length", "normaliser")}
    facts |= {"training_tweets": data.get("tweets"), "training_authors": data.get("authors")}
    facts |= {"fingerprint": data.get("fingerprint"), "seen_at": row["seen_at"]}
    facts["training"] = ", ".join(f"{key} {value}" for key, value in training.items()) or None
    return [(say.column(name), say.cell(name, value)) for name, value in facts.items() if value is not None]


def _scored(
    scores: Mapping[str, Any], intervals: Mapping[str, Any], names: tuple[str, ...], say: Wording
) -> dict[str, str]:
    """`0.84 [0.81 ; 0.87]` of each score; the value alone where there is no interval."""
    return {name: _with_interval(scores[name], intervals.get(name), say) for name in names if name in scores}


def _with_interval(value: float, interval: list[float] | None, say: Wording) -> str:
    return say.number(value) + (f" {say.interval(interval[0], interval[1])}" if interval else "")


def _overall(metrics: Mapping[str, Any], say: Wording) -> Table:
    found = [(say.text["this_model"], metrics, metrics.get("intervals") or {})]
    for name, rival in (metrics.get("baselines") or {}).items():
        found.append((name, rival, rival.get("intervals") or {}))
    rows = [{"who": name, **_scored(scores, intervals, _SCORES, say)} for name, scores, intervals in found]
    caption = say.text["overall_caption"].format(tweets=say.cell("tweets", metrics.get("tweets")))
    return table(rows, ["who", *_SCORES], caption, say)


def _per_label(metrics: Mapping[str, Any], say: Wording) -> Table:
    intervals = (metrics.get("intervals") or {}).get("per_label") or {}
    rows = [
        {"label": label, "tweets": scores.get("tweets"), **_scored(scores, intervals.get(label) or {}, _PER_LABEL, say)}
        for label, scores in metrics["per_label"].items()
    ]
    return table(rows, ["label", "tweets", *_PER_LABEL], say.text["per_label_caption"], say)


def _confusion(metrics: Mapping[str, Any], say: Wording) -> list[tuple[str, list[dict[str, Any]]]]:
    """(true label, cells): the count, its share of the row, and a shade that leaves black text readable."""
    rows = []
    for truth, counts in zip(metrics.get("labels", []), metrics.get("confusion_matrix", []), strict=False):
        shares = [int(count) / max(sum(counts), 1) for count in counts]
        cells = [
            {"count": say.count(n), "share": f"{share:.0%}", "shade": f"{0.55 * share:.2f}"}
            for n, share in zip(counts, shares, strict=True)
        ]
        rows.append((str(truth), cells))
    return rows


def _calibration(found: Mapping[str, Any], say: Wording) -> dict[str, Any]:
    before, after = found["before"], found["after"]
    titles = say.text["confidence_axis"], say.text["accuracy_axis"]
    rows = [{**one, "low": one["interval"][0], "high": one["interval"][1]} for one in after["bins"]]
    columns = ["confidence", "accuracy", "interval", "tweets"]
    chance = after.get("if_calibrated")
    return {
        "chart": charts.calibration({"before": before["bins"], "after": after["bins"]}, titles, say),
        "caption": say.text["calibration_chart"].format(temperature=say.number(found["temperature"])),
        "error": say.text["calibration_error"].format(
            after=say.number(after["ece"], 3),
            before=say.number(before["ece"], 3),
            chance=NONE if chance is None else say.number(chance, 3),
        ),
        "table": table(rows, columns, say.text["calibration_caption"], say, shares=("confidence", "accuracy")),
    }


def _shortcuts(found: Mapping[str, Any], say: Wording) -> Table:
    rows = list(_alone(found, say))
    caption = say.text["shortcuts_caption"].format(tweets=say.cell("tweets", found.get("tweets")))
    return table(rows, ["cue", "accuracy", "macro_f1", "mcc", "named"], caption, say)


def _alone(found: Mapping[str, Any], say: Wording) -> Iterator[dict[str, Any]]:
    for name, scores in found.get("alone", {}).items():
        scored = _scored(scores, scores.get("intervals") or {}, _SCORES, say)
        yield {"cue": name, **scored, "named": bool(scores.get("named"))}
