"""Whatever blocks come, change and go, the parts `sums` add up to all of them once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camembias import store as stores
from camembias import totals
from camembias.schemas import TABLES
from camembias.store import Store

LABELS = (None, "avion")


@pytest.fixture
def made(tmp_path) -> Store:
    return stores.create(tmp_path / "store")


def put(into: Store, names: list[str]) -> None:
    """Each block has a word of its own and one that all have."""
    for at, name in enumerate(names):
        if not totals.has_block(into, name):
            rows = [
                {"word": word, "label": label, "tweets": 1, "w": 2.0**at} for word in ("le", name) for label in LABELS
            ]
            into.write("sums", name, pl.DataFrame(rows, schema=TABLES["sums"]))


def add(parts: list[Path]) -> pl.DataFrame:
    found = pl.read_parquet(parts)
    return found.group_by(pl.col(pl.String())).agg(pl.all().sum()).select(found.columns)


def counted(store: Store) -> list[tuple[str, str, int]]:
    rows = store.scan("sums").filter(pl.col("label").is_null()).group_by("word").agg(pl.col("tweets").sum()).collect()
    return sorted(rows.rows())


def settled(store: Store, names: list[str], add: Callable[[list[Path]], pl.DataFrame] = add) -> None:
    for name in totals.block_names(store) - set(names):
        totals.remove_block(store, name)
    put(store, names)
    totals.settle(store, names, add)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=12).map(sorted), min_size=1, max_size=5)
)
def test_blocks_that_come_change_and_go_are_added_up_once(tmp_path_factory, histories) -> None:
    store = stores.create(tmp_path_factory.mktemp("s") / "store")
    for names in histories:
        settled(store, names)
        assert counted(store) == sorted([(name, 1) for name in names] + [("le", len(names))] * bool(names))
        assert totals.block_names(store) == set(names)
        assert len(store.part_names("sums")) <= 1 + totals._LOOSE


def test_a_total_grows_by_the_blocks_that_are_new(made, monkeypatch) -> None:
    monkeypatch.setattr(totals, "_LOOSE", 2)
    seen = []

    def spied(parts: list[Path]) -> pl.DataFrame:
        seen.append([path.stem[:5] for path in parts])
        return add(parts)

    for names in ("ab", "abc", "abcd", "abce", "abcef", "abcefg"):  # the last one is in no total
        settled(made, list(names), spied)
    assert seen == [["a", "b"], ["total", "c", "e"]]


def test_what_was_left_by_a_refresh_that_died_is_put_right(made, monkeypatch) -> None:
    monkeypatch.setattr(totals, "_LOOSE", 1)
    settled(made, ["a", "b", "c"])
    wanted = counted(made)
    there = made.root / "sums" / "merged" / "a.parquet"
    there.replace(made.part("sums", "a"))  # it died while it moved blocks: a counts twice
    assert counted(made) != wanted
    totals.settle(made, ["a", "b", "c"], add)
    assert counted(made) == wanted
    (total,) = (name for name in made.part_names("sums") if name.startswith("total-"))
    made.part("sums", total).unlink()  # somebody removed it: the blocks are still there
    totals.settle(made, ["a", "b", "c"], add)
    assert counted(made) == wanted
