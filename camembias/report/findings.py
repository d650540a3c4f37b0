"""The verdict table: each finding with its three witnesses, and tweets that show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from camembias.report.wording import NONE, Wording
from camembias.shading import Piece, colour, cut, strongest

COUNTED = ("no_finding", "weak")  # not listed
VERDICTS = (
    *("confirmed_bias", "confirmed_away", "kind_only", "unconfirmed", "model_only", "not_decisive", "residual"),
    *("unused_association", "expected", *COUNTED),
)
WITNESSES = ("association", "reliance", "effect")
_NUMBERS: dict[str, Callable[[Wording, Any], str]] = {
    "effect_whole": Wording.number,
    "flip_rate": Wording.percent,
    **dict.fromkeys(("docs", "tweets", "edited_tweets"), Wording.count),
}
_TEXTS = ("word", "kind", "label", "verdict")


@dataclass(frozen=True, slots=True)
class Cell:
    """`key` is what the browser sorts by, "" for nothing known; a text sorts by what is shown."""

    shown: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Shade:
    """A piece of a tweet; a plain one has no style and no score. `mine`: the word that the finding is about."""

    text: str
    score: str = ""
    style: str = ""
    mine: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    tweet_id: str
    predicted: str
    pieces: list[Shade]


@dataclass(frozen=True, slots=True)
class Finding:
    word: str
    kind: str
    label: str
    verdict: str  # the code, not the words for it
    decision: str  # the code, "" for none
    cells: list[Cell]  # after the word
    examples: list[Example] = field(default_factory=list)


def columns(rows: pl.DataFrame) -> list[str]:
    """Of the table, after the word; the reviewer's column only when there is a decision."""
    decided = ["decision"] if rows["decision"].count() else []
    return [*_TEXTS[1:], *decided, "q_verdict", *WITNESSES, *_NUMBERS]


def findings(rows: pl.DataFrame, examples: pl.DataFrame | None, say: Wording) -> list[Finding]:
    """One a row of `verdicts`, in its order, with its `finding_examples` where there are any."""
    shown: dict[tuple[str, str], list[Example]] = {}
    for row in () if examples is None else examples.iter_rows(named=True):
        example = Example(row["tweet_id"], row["predicted"] or NONE, _pieces(row, say))
        shown.setdefault((row["word"], row["label"]), []).append(example)
    names = columns(rows)
    return [
        Finding(
            row["word"], row["kind"], row["label"], row["verdict"], row["decision"] or "",
            [_cell(row, name, say) for name in names], shown.get((row["word"], row["label"]), []),
        )
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip


def counts(rows: pl.DataFrame, say: Wording) -> tuple[list[str], list[tuple[str, list[str]]], int]:
    """`verdict_counts` as (verdicts across, (label, cells) down, findings that are listed)."""
    there = [verdict for verdict in VERDICTS if verdict in set(rows["verdict"])]
    found = {(label, verdict): words for label, verdict, words in rows.iter_rows()}
    down = [
        (label, [say.count(found.get((label, verdict), 0)) for verdict in there])
        for label in sorted(set(rows["label"]))
    ]
    return there, down, sum(words for (_, verdict), words in found.items() if verdict not in COUNTED)


def _cell(row: Mapping[str, Any], name: str, say: Wording) -> Cell:
    value = row[name]
    if name not in (*WITNESSES, *_NUMBERS, "q_verdict"):
        return Cell(say.cell(name, value))
    if value is None:
        return Cell(NONE, "")
    if name in WITNESSES:
        interval = say.interval(row[f"{name}_low"], row[f"{name}_high"])
        return Cell(f"{say.number(value)} {interval}", f"{value:.6g}")
    if name == "q_verdict":
        return Cell(say.number(value, 3) if value >= 0.0005 else f"<\u00a0{say.number(0.001, 3)}", f"{value:.6g}")
    return Cell(_NUMBERS[name](say, value), f"{value:.6g}")


def _pieces(row: Mapping[str, Any], say: Wording) -> list[Shade]:
    """The tweet of a `finding_examples` row; words too weak to matter are joined to what lies between them."""
    cut_up = cut(row["words"], row["text"])
    names = iter([one["word"] for one in row["words"] if one["surface"]])  # in the order of the pieces with a score
    top, found = strongest(cut_up), list[Shade]()
    for piece in cut_up:
        shade = _shade(piece, top, piece.score is not None and next(names, None) == row["word"], say)
        if found and _is_plain(shade) and _is_plain(found[-1]):
            shade = Shade(found.pop().text + shade.text)
        found.append(shade)
    return found


def _is_plain(shade: Shade) -> bool:
    return not shade.style and not shade.mine


def _shade(piece: Piece, top: float, mine: bool, say: Wording) -> Shade:
    colours = colour(piece, top)
    if colours is None or piece.score is None:
        return Shade(piece.text, mine=mine)
    sign = "+" if piece.score > 0 else ""
    style = f"background:{colours[0]};color:{colours[1]}"
    return Shade(piece.text, sign + say.number(piece.score), style, mine)
