"""Tables on a terminal: what belongs together stands together, what does not fit is named, no word is torn."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import example, given
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
    frame = pl.DataFrame({"x": [1.23456, 2.0], "x_low": [1.0, None], "x_high": [1.5, None], "y_low": [7, 8]})
    assert console._columns(frame, []) == {"x": ["1.23 [1,1.5]", "2"], "y_low": ["7", "8"]}
    assert "1.23 [1,1.5]" in printed(frame, 80)
    chained = pl.DataFrame([{"x": 1, "x_low": 2, "x_high": 3, "x_low_low": 444, "x_low_high": 555}])
    assert console._columns(chained, []) == {"x": ["1 [2,3]"], "x_low_low": ["444"], "x_low_high": ["555"]}


def test_bounds_of_no_value_are_columns_like_others(printed):
    found = printed(pl.DataFrame({"word": ["le"], "x": [None], "x_low": [15.5], "x_high": [25.5]}), 80)
    for shown in ("15.5", "25.5", "low", "high", "no value in: x\n"):
        assert shown in found


def test_columns_without_a_value_or_without_room_are_named(printed):
    frame = pl.DataFrame({"first": ["a" * 20], "nothing": [None], "second": ["b" * 20], "third": ["c" * 20]})
    wide, narrow = printed(frame, 100), printed(frame, 50)
    assert "no value in: nothing" in wide
    assert "no room" not in wide
    assert "c" * 20 not in narrow
    assert "third" in narrow.split("no room for")[1]
    assert "b" * 20 in narrow
    assert "a" * 20 in printed(frame, 10).replace(" ", "").replace("\n", "")  # the first one always


def test_a_table_of_nothing_but_nulls_says_so(printed):
    assert printed(pl.DataFrame({"newest": [None]}), 120) == "no value in: newest\n"
    assert "newest" in printed(pl.DataFrame(schema={"newest": pl.String}), 120)


def test_a_heading_keeps_its_spaces_and_breaks_where_it_may():
    assert console._heading("asked by", ["design-0123"]) == "asked by"
    assert console._heading("q_verdict", ["1"]) == "q_\nverdict"
    assert console._heading("_x y", ["long enough"]) == "_x y"


@given(
    st.lists(st.text(st.sampled_from("aé🔴_ "), max_size=24).map(str.strip), min_size=1, max_size=6),
    st.integers(20, 200),
)
@example(["a", "a" * 24], 30)
@example(["a", "🔴" * 12], 33)
def test_no_line_is_wider_than_the_terminal_and_no_word_is_torn(values, width):
    frame = pl.DataFrame({f"name{place}": [value] for place, value in enumerate(values)})
    with console.out.capture() as capture:
        before, console.out._width = console.out._width, width
        try:
            console.print_table(frame)
        finally:
            console.out._width = before
    found = capture.get()
    assert all(cell_len(line) <= width for line in found.splitlines())
    body, _, left_out = " ".join(found.split()).partition("no room for")
    left_out = set(left_out.replace(",", " ").split())
    for place, value in enumerate(values):
        if f"name{place}" not in left_out and width >= 30:
            assert all(word in body for word in value.split())


def test_cells_are_short(printed):
    at = datetime(2026, 11, 27, 20, 2, 17, 575332, UTC)
    frame = pl.DataFrame(
        {
            "n": [38320.4],
            "edge": [999.6],
            "p": [1e-7],
            "at": [at],
            "labels": [["avion", "viande"]],
            "long": ["x" * 5000],
        }
    )
    found = printed(frame, 120)
    for shown in ("38,320 ", "1,000 ", "1e-07", "2026-11-27 20:02:17 ", "avion, viande", "x…"):
        assert shown in found
    assert found.count("x") < 310
