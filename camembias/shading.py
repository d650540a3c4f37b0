"""One explanation made ready to be looked at: the text cut at its words, each with its score, and the label's odds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from camembias.errors import MissingExtra
from camembias.files import write_text

TOWARDS, AWAY = (0x1F, 0x5F, 0x99), (0xB3, 0x58, 0x06)  # blue and orange: told apart by the colour-blind too
_MIDDLE = 0.179  # luminance at which black and white letters read equally well, at 4.6 to 1
_FAINTEST = 0.05  # of the strongest score of the text; weaker words stay plain


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the text: a word with its score in logits, or what lies between words, without one."""

    text: str
    score: float | None


def strongest(pieces: Sequence[Piece]) -> float:
    """The largest score of the text, whatever its sign, in logits."""
    return max((abs(piece.score) for piece in pieces if piece.score is not None), default=0.0)


def colour(piece: Piece, top: float) -> tuple[str, str] | None:
    """(background, letters) of a piece as #rrggbb, in a text whose strongest score is `top`; None: it stays plain."""
    if piece.score is None or not top or abs(piece.score) < _FAINTEST * top:
        return None
    share = abs(piece.score) / top
    red, green, blue = (round(255 + (one - 255) * share) for one in (TOWARDS if piece.score > 0 else AWAY))
    return f"#{red:02x}{green:02x}{blue:02x}", "#000000" if _luminance(red, green, blue) > _MIDDLE else "#ffffff"


def _luminance(*channels: int) -> float:
    """Relative luminance as WCAG 2 defines it, 0 to 1."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (one / 255 for one in channels))
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@dataclass(frozen=True, slots=True)
class Shading:
    tweet_id: str
    target: str
    predicted: str | None
    probabilities: dict[str, float]  # empty when not all labels were explained
    logit: float
    relative_error: float
    converged: bool
    pieces: tuple[Piece, ...]

    @property
    def strongest(self) -> float:
        return strongest(self.pieces)

    def colour(self, piece: Piece) -> tuple[str, str] | None:
        return colour(piece, self.strongest)

    def words(self) -> list[Piece]:
        """The words, strongest first."""
        found = [piece for piece in self.pieces if piece.score is not None]
        return sorted(found, key=lambda piece: -abs(piece.score or 0.0))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def shade(
    rows: Sequence[Mapping[str, Any]], text: str | None, labels: Sequence[str], temperature: float, target: str | None
) -> Shading:
    """From the explanations of one tweet, one row a target. No target: the likeliest label, else the tweet's own.

    Without `text` (it was blanked) the words stand one space apart.
    """
    logits = {row["target"]: row["logit"] for row in rows}
    probabilities = (
        softmax({label: logits[label] / temperature for label in labels}) if set(labels) <= set(logits) else {}
    )
    predicted = max(probabilities, key=probabilities.__getitem__) if probabilities else rows[0]["label"]
    wanted = target or predicted
    row = next((row for row in rows if row["target"] == wanted), rows[0])
    return Shading(
        row["tweet_id"], row["target"], predicted, probabilities, row["logit"], row["relative_error"], row["converged"],
        tuple(cut(row["words"], text)),
    )  # fmt: skip


def softmax(logits: Mapping[str, float]) -> dict[str, float]:
    top = max(logits.values())
    powers = {label: math.exp(logit - top) for label, logit in logits.items()}
    return {label: power / sum(powers.values()) for label, power in powers.items()}


def write_html(shadings: Sequence[Shading], target: Path) -> Path:
    """One page that opens offline and runs nothing, whatever the texts hold. Raises MissingExtra without jinja2."""
    try:
        from camembias.templating import environment
    except ModuleNotFoundError as err:
        raise MissingExtra("jinja2", "report") from err
    write_text(target, environment().get_template("explanations.html").render(shadings=shadings))
    return target


def cut(words: Sequence[Mapping[str, Any]], text: str | None) -> list[Piece]:
    """The text cut at its words, all of it; without `text` (it was blanked) the words stand one space apart."""
    if text is None:
        return [piece for word in words for piece in (Piece(word["surface"], word["score"]), Piece(" ", None))][:-1]
    pieces, at = [], 0
    for word in words:
        pieces += [Piece(text[at : word["start"]], None), Piece(text[word["start"] : word["stop"]], word["score"])]
        at = word["stop"]
    return [piece for piece in (*pieces, Piece(text[at:], None)) if piece.text]
