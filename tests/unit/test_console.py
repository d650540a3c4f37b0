"""Tables on a terminal: what belongs together stands together, what does not fit is named, no word is torn."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from camembias.cli import console


@pytest.fixture
def printed(monkeypatch, capsys):
    def show(frame: pl.DataFrame, width: int) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(console.out, "_width", width)
            console.print_table(frame)
        return capsys.readouterr().out

    return show


def test_a_value_and_its_bounds_are_one_column(printed):
    found = printed(
        pl.DataFrame({"x": [1.23456, 2.0], "x_low": [1.0, None], "x_high": [1.5, None], "y_low": [7, 8]}), 80
    )
    assert "1.23 [1,1.5]" in found
    assert "x_low" not in found
    assert "low" in found  # y_low is of no value: a column like any other
    assert found.count("[") == 1


def test_columns_without_a_value_or_without_room_are_named(printed):
    frame = pl.DataFrame({"first": ["a" * 20], "nothing": [None], "second": ["b" * 20], "third": ["c" * 20]})
    wide, narrow = printed(frame, 100), printed(frame, 50)
    assert "no value in: nothing" in wide
    assert "no room" not in wide
    assert "c" * 20 not in narrow
    assert "third" in narrow.split("no room for")[1]
    assert "b" * 20 in narrow
    assert "a" * 20 in printed(frame, 10).replace(" ", "").replace("\n", "")  # the first one always


@given(
    st.lists(st.text(st.sampled_from("aé🔴_ "), max_size=24).map(str.strip), min_size=1, max_size=6),
    st.integers(20, 200),
)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_torn(values, width):
    frame = pl.DataFrame({f"name_of_{place}": [value] for place, value in enumerate(values)})
    with console.out.capture() as capture:
        before, console.out._width = console.out._width, width
        try:
            console.print_table(frame)
        finally:
            console.out._width = before
    found = capture.get()
    body, _, left_out = found.partition("no room for")
    assert all(cell_len(line) <= width for line in found.splitlines())
    for place, value in enumerate(values):
        if f"name_of_{place}" not in left_out.replace("\n", " ").replace(",", " ").split() and width >= 30:
            assert all(word in body for word in value.split())


def test_cells_are_short(printed):
    at = datetime(2026, 11, 27, 20, 2, 17, 575332, UTC)
    frame = pl.DataFrame(
        {"n": [38320.4], "p": [1e-7], "at": [at], "labels": [["avion", "viande"]], "long": ["x" * 5000]}
    )
    found = printed(frame, 120)
    for shown in ("38,320 ", "1e-07", "2026-11-27 20:02:17 ", "avion, viande", "x…"):
        assert shown in found
    assert found.count("x") < 310
