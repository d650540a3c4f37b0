"""How an evaluation looks in a terminal: what to know first, then the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from camembias.cli.console import out, shown

_SCORES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "mcc": "Matthews"}


def print_evaluation(found: dict[str, Any]) -> None:
    """Metrics of `train.evaluate`, or of an older model, of which only the scores are known."""
    intervals = found.get("intervals", {})
    if intervals:
        made = intervals["none_because"] or f"[low, high]: 95 %, {intervals['method']}"
        which = "" if found.get("in_training_table") else " that the model never saw"
        out.print(Text(f"{found['tweets']} tweets{which}; {made}", style="dim"))
    _scores(found, intervals)
    _per_label(found, intervals.get("per_label", {}))
    if "shortcuts" in found:
        _shortcuts(found["shortcuts"])
    if found.get("folds_compared"):
        _folds(found["folds_compared"])
    if "elsewhere" in found:
        _elsewhere(found["elsewhere"])
    for sentence in found.get("summary", []):
        out.print(Text(f"• {shown(sentence)}", style="bold" if sentence.startswith("Shortcut:") else ""))


def _scores(found: dict[str, Any], intervals: dict[str, Any]) -> None:
    masking = found.get("masking") or {}
    names = {"concepts_masked": "the model, concept words masked", "only_concepts": "the model, only concept words"}
    rows = [("the model", found, intervals)]
    rows += [(names[key], masking[key], masking[key]["intervals"]) for key in names if key in masking]
    rows += [(name, row, row["intervals"]) for name, row in found.get("baselines", {}).items()]
    if "baselines" not in found:
        rows.append(("largest label", {"accuracy": found["majority_share"]}, {}))
    keys = [key for key in _SCORES if key in found]
    table = [[name, *(_number(row.get(key), between.get(key)) for key in keys)] for name, row, between in rows]
    _print(["", *(_SCORES[key] for key in keys)], table)


def _per_label(found: dict[str, Any], intervals: dict[str, Any]) -> None:
    keys = ("precision", "recall", "f1")
    table = [
        [label, str(row["tweets"]), *(_number(row[key], intervals.get(label, {}).get(key)) for key in keys)]
        for label, row in found["per_label"].items()
    ]
    _print(["label", "tweets", "precision", "recall", "F1"], table)
    rows = zip(found["labels"], found["confusion_matrix"], strict=True)
    table = [[label, *(f"{n} {n / sum(counts):.0%}" if n else "·" for n in counts)] for label, counts in rows]
    _print(["truth ↓ the model says →", *found["labels"]], table)


def _shortcuts(shortcuts: dict[str, Any]) -> None:
    table = [
        [name, *(_number(row[key], row["intervals"][key]) for key in _SCORES), "shortcut" if row["named"] else ""]
        for name, row in shortcuts["alone"].items()
    ]
    _print([f"alone, {shortcuts['tweets']} tweets", *_SCORES.values(), ""], table)


def _folds(compared: dict[str, Any]) -> None:
    table = [
        [
            name,
            *(_number(row[key]["macro_f1"], row[key]["intervals"]["macro_f1"]) for key in ("random", "author")),
            _number(row["random_minus_author"]["macro_f1"], row["random_minus_author"]["interval"]),
        ]
        for name, row in compared.items()
    ]
    _print(["macro-F1", "folds at random", "authors kept apart", "difference"], table)


def _elsewhere(elsewhere: dict[str, Any]) -> None:
    table = [[label, f"{row['said']:.0%}", f"{row['kept']:.0%}"] for label, row in elsewhere["labels"].items()]
    _print([f"{elsewhere['tweets']} of '{elsewhere['label']}'", "called so", "not abstained on"], table)


def _number(value: float | None, interval: list[float] | None) -> str:
    return "" if value is None else f"{value:.2f}{_brackets(interval)}"


def _brackets(interval: list[float] | None) -> str:
    return f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""


def _print(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(header):
        table.add_column(Text(shown(name)), justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    out.print(table)
