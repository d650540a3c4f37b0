"""Tables on a terminal: what belongs together stands together, what does not fit is named, no word is torn."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from camembias import logs
from camembias.cli import console, progress_lines
from camembias.cli.learning import step_bar


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


@pytest.fixture
def hasty(monkeypatch):
    """Seconds are hundredths."""
    for name, value in {"FIRST_S": 0.1, "EVERY_S": 0.3, "TICK_S": 0.01}.items():
        monkeypatch.setattr(progress_lines, name, value)


@pytest.mark.parametrize("total", [500, None])
def test_work_that_ends_within_ten_seconds_says_nothing(capsys, total):
    with console.progress_bar("explaining", total, "tweets") as advance:
        time.sleep(0.05)
        advance(500)
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(capsys, hasty):
    with console.progress_bar("explaining", 500, "tweets", done=20) as advance:
        for _ in range(60):
            advance(5)
            time.sleep(0.01)
    out, err = capsys.readouterr()
    assert out == ""
    *lines, last = err.splitlines()
    assert 2 <= len(lines) <= 4, err
    shape = r"explaining: (\d+) of 500 tweets \((\d+) %\), [\d,]+ per second, about \d+ s left"
    found = [re.fullmatch(shape, line) for line in lines]
    assert all(int(one[1]) > 20 and int(one[2]) == int(one[1]) * 100 // 500 for one in found)
    assert re.fullmatch(r"explaining: 320 of 500 tweets \(64 %\) in \d+ s", last)


def test_while_nothing_moves_lines_are_more_and_more_seldom(capsys, hasty):
    with console.progress_bar("explaining", 5, "tweets") as advance:
        time.sleep(1.2)  # at 0.1, 0.4, 1.0
        standing = capsys.readouterr().err.splitlines()
        advance(1)
        time.sleep(0.5)
        moving = capsys.readouterr().err.splitlines()
    assert standing == ["explaining: 0 of 5 tweets (0 %)"] * len(standing)
    assert 1 <= len(standing) <= 3
    assert moving
    with console.progress_bar("judging"):
        time.sleep(0.2)
    assert capsys.readouterr().err.splitlines() == ["judging: 0 s so far"]


def test_lines_of_training_name_the_epoch_and_the_rate_is_of_what_is_being_done(capsys, hasty):
    with step_bar() as tell:
        for step in range(40):
            tell(f"the model that is kept, epoch {1 + step // 20} of 2, validation loss 0.431", 1000 + step, 1100)
            time.sleep(0.01)
    found = capsys.readouterr().err.splitlines()
    shape = r"the model that is kept, epoch . of 2, validation loss 0\.431: 1,0\d\d of 1,100 steps \(9\d %\), (\d+) .*"
    assert 10 < int(re.fullmatch(shape, found[0])[1]) < 150


def test_where_logs_are_json_a_line_is_one(capsys, hasty):
    logger = logging.getLogger("camembias")
    before = logger.handlers, logger.propagate, logger.level
    try:
        logs.to(sys.stderr, True)
        with console.progress_bar("classifying", unit="tweets") as advance:
            advance(100)
            time.sleep(0.2)
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])
    [line] = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["done"], found["unit"], found["total"]) == ("progress", 100, "tweets", None)
    assert found["message"].startswith("classifying: 100 tweets, ")


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ((120, 500, "tweets", 1.9, 60), "x: 120 of 500 tweets (24 %), 1.9 per second, about 3 min left"),
        ((499.9, 500, "tweets", 0.05, 60), "x: 500 of 500 tweets (99 %), 3.0 per minute, about 2 s left"),
        ((1200, 60000, "texts", 35.2, 60), "x: 1,200 of 60,000 texts (2 %), 35 per second, about 28 min left"),
        ((1, 90_000, "", 5, 60), "x: 1 of 90,000 (0 %), 5.0 per second, about 5 h 0 min left"),
        ((0, None, "", 0, 95), "x: 2 min so far"),
        ((0, 0, "", 0, 95), "x: 0 of 0"),
    ],
)
def test_a_line_of_progress(numbers, line):
    assert progress_lines.described("x", *numbers) == line
