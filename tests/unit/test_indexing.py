"""The index says what the parts of explanations hold, whatever became of them, and reads a part once."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from camembias import catalog, indexing
from camembias import store as stores
from camembias.schemas import TABLES
from camembias.store import Store

LABELS = ("avion", "viande", "autre")
DAY = stores.now()
INDEX = "SELECT * EXCLUDE mark FROM explanation_index ORDER BY part, tweet_id"
IN_SQL = """
SELECT parse_filename(filename, true) AS part, tweet_id, model_version, method, baseline,
    any_value(text_hash) AS text_hash, max(batch) AS batch,
    CAST(sum(2 ** list_position(['avion', 'viande', 'autre'], target)) AS BIGINT) AS targets,
    count(*) AS explanations, bool_and(isfinite(delta)) AS finite,
    max(computed_at) FILTER (isfinite(delta)) AS computed_at
FROM read_parquet('{}', filename = true)
WHERE target <> 'unknown' GROUP BY ALL ORDER BY part, tweet_id
"""
parts = st.dictionaries(
    st.sampled_from(["e1", "e2", "e3"]),
    st.lists(
        st.tuples(st.sampled_from(["t1", "t2"]), st.sampled_from([*LABELS, "unknown"]), st.booleans()),
        min_size=1, max_size=5, unique_by=lambda row: row[:2],
    ),
)  # fmt: skip


def rows(name: str, said: list[tuple[str, str, bool]]) -> pl.DataFrame:
    same = {"batch": name, "model_version": "m", "method": "ig", "baseline": "mask", "text_hash": "h", "words": []}
    found: list[dict[str, Any]] = [
        {**same, "tweet_id": tweet, "target": target, "delta": 0.5 if good else math.nan, "computed_at": DAY}
        for tweet, target, good in said
    ]
    return pl.DataFrame(found, schema=TABLES["explanations"])


def new_store(root) -> Store:
    made = stores.create(root)
    model = {"model_version": "m", "serving_version": "v", "labels": list(LABELS), "seen_at": DAY}
    made.write("models", "v", pl.DataFrame([model], schema=TABLES["models"]))
    return made


@pytest.fixture
def made(tmp_path) -> Store:
    return new_store(tmp_path / "store")


def indexed(store: Store) -> pl.DataFrame:
    catalog.refresh(store)
    return catalog.run_sql(store, INDEX)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(parts, min_size=1, max_size=4))
def test_parts_that_come_change_and_go_are_in_the_index_once(tmp_path_factory, histories) -> None:
    store = new_store(tmp_path_factory.mktemp("s") / "store")
    for wanted in histories:
        for name in set(store.part_names("explanations")) - set(wanted):
            store.part("explanations", name).unlink()
        for name, said in wanted.items():
            store.write("explanations", name, rows(name, said))
        assert_frame_equal(indexed(store), catalog.run_sql(store, IN_SQL.format(store.root / "explanations/*.parquet")))


def test_a_part_is_read_once(made, monkeypatch) -> None:
    read, settle = [], indexing.settle

    def spied(store, labels, held):
        return settle(store, labels, lambda paths: read.append([path.stem for path in paths]) or held(paths))

    monkeypatch.setattr(indexing, "settle", spied)
    for name, target in (("e1", "avion"), ("e1", "avion"), ("e2", "unknown"), ("e2", "unknown"), ("e3", "viande")):
        if not made.has_part("explanations", name):
            made.write("explanations", name, rows(name, [("t1", target, True)]))
        indexed(made)
    assert read == [["e1"], ["e2"], ["e3"]]
    assert indexed(made)["part"].to_list() == ["e1", "e3"]


def test_an_index_that_was_put_together_and_not_removed_counts_once(made) -> None:
    for name in ("e1", "e2"):
        made.write("explanations", name, rows(name, [("t1", "avion", True)]))
        wanted = indexed(made)
    old = {name: made.read(indexing.TABLE, name) for name in made.part_names(indexing.TABLE)}
    assert len(old) == 2
    made.write(indexing.TABLE, "together", pl.concat(old.values()))
    assert_frame_equal(indexed(made), wanted)
    assert len(made.part_names(indexing.TABLE)) == 1


def test_what_another_version_indexed_is_indexed_again(made, monkeypatch) -> None:
    made.write("explanations", "e1", rows("e1", [("t1", "avion", True)]))
    wanted = indexed(made)
    (before,) = made.part_names(indexing.TABLE)
    monkeypatch.setattr(indexing, "INDEX", 0)
    assert_frame_equal(indexed(made), wanted)
    assert made.part_names(indexing.TABLE) != [before]


def test_a_model_that_was_not_known_counts_once_it_is(made) -> None:
    made.write("explanations", "e1", rows("e1", [("t1", "avion", True)]).with_columns(model_version=pl.lit("late")))
    assert indexed(made).is_empty()
    model = {"model_version": "late", "serving_version": "w", "labels": list(LABELS), "seen_at": DAY}
    made.write("models", "w", pl.DataFrame([model], schema=TABLES["models"]))
    assert indexed(made)["model_version"].to_list() == ["late"]


def test_many_parts_of_the_index_become_one(made, monkeypatch) -> None:
    monkeypatch.setattr(indexing, "_MOST_PARTS", 2)
    for number in range(5):
        made.write("explanations", f"e{number}", rows(f"e{number}", [("t1", "avion", True)]))
        assert indexed(made)["part"].to_list() == [f"e{one}" for one in range(number + 1)]
        assert len(made.part_names(indexing.TABLE)) <= 3
