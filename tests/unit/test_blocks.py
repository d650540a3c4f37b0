"""Blocks hold every text once, whatever comes, changes and goes, and a text stays where it is."""

from __future__ import annotations

import os
import time
from collections import Counter

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camembias import blocks
from camembias import store as stores
from camembias.schemas import TABLES
from camembias.store import READ_FOR, Store

Texts = dict[str, int]  # text → its mark
FROM = {"explanations": {"e1": "a"}}


@pytest.fixture
def made(tmp_path) -> Store:
    return stores.create(tmp_path / "store")


def rows(texts: Texts) -> pl.DataFrame:
    same = {"model_version": "m", "method": "ig", "baseline": "mask", "tweets": 1, "w": 1.0, "v": 0.0}
    said = [{**same, "text": text, "tweet_id": text, "batch": text, "mark": mark} for text, mark in texts.items()]
    schema = {name: dtype for name, dtype in TABLES[blocks.TABLE].items() if name != "block"}
    return pl.DataFrame(said, schema=schema)


def settled(store: Store, texts: Texts, among: set[str] | None = None) -> dict[str, int]:
    """Makes the blocks; returns text → number of its block."""
    blocks.settle(store, rows(texts), None if among is None else pl.Series(sorted(among), dtype=pl.String), FROM)
    return dict(held(store).select("text", "block").iter_rows())


def held(store: Store) -> pl.DataFrame:
    return store.scan(blocks.TABLE, blocks.names(store)).collect()


def marks(store: Store) -> list[tuple[str, int]]:
    return sorted(held(store).select("text", "mark").iter_rows())


some_texts = st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(1, 3), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(some_texts, st.booleans()), min_size=1, max_size=5), st.integers(1, 4))
def test_texts_that_come_change_and_go_stand_in_one_block(tmp_path_factory, monkeypatch, histories, size) -> None:
    monkeypatch.setattr(blocks, "BLOCK", size)
    store, before, places = stores.create(tmp_path_factory.mktemp("s") / "store"), {}, {}
    for texts, all_of_them in histories:
        changed = {text for text in {*before, *texts} if before.get(text) != texts.get(text)}
        told = texts if all_of_them else {text: mark for text, mark in texts.items() if text in changed}
        now = settled(store, told, None if all_of_them else changed)
        assert marks(store) == sorted(texts.items())
        assert {text: block for text, block in now.items() if text in before} == {
            text: block for text, block in places.items() if text in texts
        }
        assert max(Counter(now.values()).values(), default=0) <= size
        assert [int(name.split("-")[0]) for name in blocks.names(store)] == sorted(set(now.values()))
        before, places = texts, now


def test_only_blocks_that_changed_get_another_name(made, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    settled(made, {"a": 1, "b": 1, "c": 1, "d": 1})
    before = blocks.names(made)
    settled(made, {"c": 2, "e": 1}, {"c", "e"})
    after = blocks.names(made)
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert len(after) == 3
    settled(made, {"a": 1, "b": 1, "c": 2, "d": 1, "e": 1})
    assert blocks.names(made) == after


@pytest.mark.parametrize(("held", "joins"), [(1, True), (2, False)])
def test_new_texts_join_the_last_block_while_that_is_cheap_to_sum_again(made, monkeypatch, held, joins) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 8)
    first = settled(made, {f"a{n}": 1 for n in range(held)})
    new = {f"b{n}": 1 for n in range(8)}
    now = settled(made, new, set(new))
    assert (now["b0"] == first["a0"]) is joins
    assert now["b7"] == 1


def test_what_the_blocks_were_made_from_is_known_until_one_is_touched(made) -> None:
    assert blocks.known(made) == {}
    settled(made, {"a": 1})
    assert blocks.known(made) == FROM
    (name,) = blocks.names(made)
    made.part(blocks.TABLE, name).rename(made.part(blocks.TABLE, "000000-of-a-refresh-that-died"))
    assert blocks.known(made) == {}


@pytest.mark.parametrize("text", ["{", "{}", "[]", "null", '{"texts": 1}'])
def test_a_note_that_cannot_be_read_says_nothing(made, text) -> None:
    settled(made, {"a": 1})
    (made.root / blocks.TABLE / "sources.json").write_text(text)
    assert blocks.known(made) == {}


def test_what_a_part_replaced_stays_for_an_hour_for_those_who_read_it(made) -> None:
    names = []
    for mark in (1, 2, 1):
        settled(made, {"a": mark, "b": 1})
        names += blocks.names(made)
    assert made.part_names(blocks.TABLE) == names
    assert names[0].split("-")[-1] == names[2].split("-")[-1]  # it says the same again, and is another part
    long_ago = time.time() - READ_FOR.total_seconds() - 1
    os.utime(made.part(blocks.TABLE, names[1]), (long_ago, long_ago))
    settled(made, {"a": 3, "b": 1})
    assert made.part_names(blocks.TABLE) == [
        *names[1:],
        *blocks.names(made),
    ]  # the first was replaced when the second came


@pytest.mark.parametrize("name", ["000000-0123456789abcdef", "000000-v000001-x", "notes"])
def test_a_part_of_another_name_counts_for_nothing_and_goes(made, name) -> None:
    settled(made, {"a": 1, "b": 1})
    names = blocks.names(made)
    made.part(blocks.TABLE, name).write_bytes(made.part(blocks.TABLE, names[0]).read_bytes())
    assert blocks.names(made) == names
    settled(made, {"a": 2, "b": 1})
    assert marks(made) == [("a", 2), ("b", 1)]
    assert not made.has_part(blocks.TABLE, name)


def test_rows_that_say_something_else_than_before_are_written_anew(made, monkeypatch) -> None:
    settled(made, {"a": 1})
    before = blocks.names(made)
    monkeypatch.setattr(blocks, "TEXTS", blocks.TEXTS + 1)
    assert blocks.known(made) == {}
    settled(made, {"a": 1})
    assert len(blocks.names(made)) == 1
    assert blocks.names(made) != before


def test_texts_of_two_models_are_two(made) -> None:
    other = rows({"a": 2}).with_columns(model_version=pl.lit("n"))
    blocks.settle(made, pl.concat([rows({"a": 1}), other]), None, FROM)
    blocks.settle(made, pl.concat([rows({"a": 3}), other]), pl.Series(["a"]), FROM)
    assert marks(made) == [("a", 2), ("a", 3)]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"t": {"a": "1"}}, {"t": {"a": "1", "b": "2"}}, {"t": ["b"]}),
        ({"t": {"a": "1"}}, {"t": {"a": "1"}}, {"t": []}),
        ({"t": {"a": "1"}}, {"t": {"a": "2"}}, None),
        ({"t": {"a": "1"}}, {"t": {}}, None),
        ({"t": {"a": "1"}}, {}, None),
        ({"t": {}}, {"t": {}, "u": {"a": "1"}}, {"t": [], "u": ["a"]}),
        ({}, {"t": {"a": "1"}}, None),
    ],
)
def test_parts_that_are_new(before, now, found) -> None:
    assert blocks.added(before, now) == found
