"""Explanations as they are looked at: nothing of the text is lost, and nothing in it is obeyed."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from camembias.cli import shading as terminal
from camembias.shading import Piece, Shading, shade, write_html
from camembias.text import printable, words

LABELS = ("avion", "viande")


def row(text: str, target: str, logit: float, scores: list[float], **changes: Any) -> dict[str, Any]:
    cut = [
        {"word": one.word, "surface": one.surface, "start": one.start, "stop": one.stop, "score": score}
        for one, score in zip(words(text), scores, strict=True)
    ]
    same = {"tweet_id": "1", "label": None, "relative_error": 0.0123, "converged": True}
    return {**same, "target": target, "logit": logit, "words": cut, **changes}


@pytest.fixture
def shown() -> Shading:
    text = "le train, pas l'avion"
    scores = [0.0, -0.5, 0.0, 0.25, 0.1, 1.0]
    rows = [row(text, "avion", 2.0, scores), row(text, "viande", 0.0, [-score for score in scores])]
    return shade(rows, text, LABELS, 2.0, None)


def printed(shading: Shading, monkeypatch: pytest.MonkeyPatch, colours: bool) -> str:
    page = io.StringIO()
    console = Console(file=page, force_terminal=colours, color_system="truecolor" if colours else None, width=100)
    monkeypatch.setattr(terminal, "out", console)
    terminal.print_shadings([shading])
    return page.getvalue()


def test_the_likeliest_label_is_shown_with_probabilities_at_the_models_temperature(shown):
    assert (shown.target, shown.predicted) == ("avion", "avion")
    assert shown.probabilities == pytest.approx({"avion": 0.7311, "viande": 0.2689}, abs=1e-4)  # sigmoid(2 / 2)
    assert [piece.text for piece in shown.words()][:2] == ["avion", "train"]


def test_another_label_can_be_chosen_and_without_all_labels_there_are_no_probabilities():
    rows = [row("le train", "viande", 1.0, [0.1, 0.2], label="avion")]
    assert shade(rows, "le train", LABELS, 1.0, "viande").target == "viande"
    found = shade(rows, "le train", LABELS, 1.0, None)
    assert (found.target, found.predicted, found.probabilities) == ("viande", "avion", {})


@given(st.text(max_size=80))
def test_the_pieces_are_the_text_again(text):
    cut = words(text)
    found = shade([row(text, "avion", 0.0, [float(n) for n in range(len(cut))])], text, LABELS, 1.0, None)
    assert "".join(piece.text for piece in found.pieces) == text
    assert [piece.score for piece in found.pieces if piece.score is not None] == [float(n) for n in range(len(cut))]


def test_signs_are_seen_without_colour(shown, monkeypatch):
    page = printed(shown, monkeypatch, colours=False)
    assert "le train(-0.50), pas(+0.25) l'(+0.10)avion(+1.00)" in page
    assert re.search(r"\+1\.00  avion\n +-0\.50  train\n", page)
    assert re.search(r"\* avion +73\.1 %", page)
    assert "within 1.2 %" in page
    assert "\x1b" not in page


def test_colours_tell_towards_from_away_and_weak_words_stay_plain(shown, monkeypatch):
    by_word = {piece.text: shown.colour(piece) for piece in shown.pieces}
    assert by_word["avion"] == ("#1f5f99", "#ffffff")
    assert by_word["train"] == ("#d9ac82", "#000000")  # half-way from white to orange
    assert by_word["le"] is None
    assert "48;2;31;95;153" in printed(shown, monkeypatch, colours=True)


@pytest.mark.parametrize("colours", [True, False])
def test_a_hostile_text_commands_no_terminal(monkeypatch, colours):
    text = "\x1b[2J\x9b31m \u202e[red]avion[/red] \x07 a\u00a0! 👩\u200d💻"
    pieces = (Piece(text, 1.0),)
    page = printed(Shading("1", "avion", None, {}, 0.0, 0.0, True, pieces), monkeypatch, colours)
    body = re.sub(r"\x1b\[[\d;]*m", "", page)
    assert not set(body) & set("\x1b\x9b\x07\u202e")
    assert "[red]avion[/red]" in body.replace("\n", "")
    assert printable("a\u00a0!\u202f👩\u200d💻") == "a ! 👩\u200d💻"


def test_a_hostile_text_is_inert_on_a_page(tmp_path):
    text = "</p><script>alert(1)</script><img src=x onerror=alert(2)>"
    one = Shading("<b>", "avion", "avion", {"avion": 1.0}, 0.0, 0.0, False, (Piece(text, 1.0), Piece("<i>", None)))
    page = write_html([one], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "do not rely" in page


def test_a_text_without_words_is_shown_too(monkeypatch):
    page = printed(shade([row("", "avion", 0.0, [])], "", LABELS, 1.0, None), monkeypatch, colours=False)
    assert "add up to within" in page
