"""Explanations on the terminal: the text with its words shaded by score. Signs are printed too, for eyes and pipes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from camembias.cli.console import out
from camembias.shading import Shading
from camembias.text import printable

_STRONGEST = 8
_BAR = 24  # characters of a probability of 1


def print_shadings(shadings: Sequence[Shading]) -> None:
    for one in shadings:
        out.print()
        out.print(_headline(one))
        out.print(_text(one, colours=out.color_system in ("256", "truecolor") and not out.no_color))
        out.print()
        for label, p in one.probabilities.items():
            mark = "*" if label == one.predicted else " "
            out.print(Text(f" {mark} {printable(label):<16} {100 * p:5.1f} % {'█' * round(_BAR * p)}"))
        out.print()
        for piece in one.words()[:_STRONGEST]:
            out.print(Text(f"   {piece.score:+7.2f}  {printable(piece.text)}"))
        out.print(Text(_completeness(one), style="" if one.converged else "bold"))


def _headline(one: Shading) -> Text:
    line = Text.assemble(
        ("what pushes towards ", ""), (printable(one.target), "bold"), (" (+), and away from it (-)", "")
    )
    if one.predicted and one.predicted != one.target:
        line.append(f"; predicted: {printable(one.predicted)}")
    return line


def _text(one: Shading, colours: bool) -> Text:
    line = Text()
    for piece in one.pieces:
        colour = one.colour(piece)
        if colour is None:
            line.append(printable(piece.text))
        elif colours:
            line.append(printable(piece.text), style=f"{colour[1]} on {colour[0]}")
        else:
            line.append(f"{printable(piece.text)}({piece.score:+.2f})")
    return line


def _completeness(one: Shading) -> str:
    found = f"the scores add up to within {100 * one.relative_error:.2g} % of what they explain"
    return found if one.converged else f"{found}: too far off, do not rely on them"
