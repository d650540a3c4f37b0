"""Looking only at what is new finds the texts that looking at everything does."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camembias import blocks, catalog, renewal, sums, tombstones
from camembias import store as stores
from camembias.forget import forget
from camembias.schemas import TABLES
from camembias.schemas_derived import DERIVED
from camembias.store import Store

LABELS = ("avion", "autre")
DAY = stores.now()
SCOPE = {"method": "ig", "baseline": "mask"}
KEPT = "SELECT * EXCLUDE (block, part) FROM sampled_texts_parts WHERE part IN ('{}')"
WHOLE = "FROM sampled_texts_of('explanation_index', 'explanations_parts', 'counted_designs')"
tweets, texts = st.sampled_from(["t1", "t2", "t3"]), st.sampled_from(["h1", "h2", None])
MODEL = {"d": "m", "e": "n", "late": "m"}  # of a design
# A part of explanations (tweet, text, one label only?), of one model; a draw (tweet, probability, design); or a design.
said = st.lists(st.tuples(tweets, texts, st.booleans()), min_size=1, max_size=3, unique_by=lambda row: row[0])
explained = st.tuples(st.just("explanations"), said, st.sampled_from("mn"))
drawn = st.tuples(st.just("draws"), st.tuples(tweets, st.sampled_from([0.25, 0.5, 1.0]), st.sampled_from("de")))
designed = st.tuples(st.just("designs"), st.sampled_from("de"))


def put(store: Store, table: str, name: str, rows: list[dict[str, Any]]) -> None:
    store.write(table, name, pl.DataFrame(rows, schema=TABLES[table]))


def happens(store: Store, number: int, table: str, what: Any, model: str = "m") -> None:
    if table == "explanations":
        same = {**SCOPE, "model_version": model, "batch": f"b{number}", "converged": True, "delta": 0.0}
        same["computed_at"] = DAY + timedelta(seconds=number)
        words = [[{"word": "le", "surface": "le", "start": 0, "stop": 2, "score": number * at}] for at in (0.0, 1.0)]
        rows = [
            {**same, "tweet_id": tweet, "text_hash": text, "target": target, "words": words[at]}
            for tweet, text, one_label in what
            for at, target in enumerate(LABELS[:1] if one_label else LABELS)
        ]
        put(store, table, f"e{number}", rows)
    elif table == "draws":
        tweet, pi, design = what
        put(store, table, f"w{number}", [{"design_id": design, "tweet_id": tweet, "key": "k", "pi": pi}])
    else:
        row = {**SCOPE, "model_version": MODEL[what], "design_id": what, "seed": "s", "created_at": DAY}
        put(store, table, what, [row])


def new_store(root) -> Store:
    made = stores.create(root)
    for model in "mn":
        row = {"model_version": model, "serving_version": model, "labels": LABELS, "seen_at": DAY}
        put(made, "models", model, [row])
    return made


def agrees(store: Store) -> bool:
    asked = (KEPT.format("', '".join(blocks.names(store))), WHOLE)
    kept, whole = (catalog.run_sql(store, sql).sort("model_version", "text") for sql in asked)
    seen = catalog.run_sql(store, "FROM sampled_texts")
    assert seen.sort(seen.columns).equals(whole.select(seen.columns).sort(seen.columns))
    pi = "SELECT model_version, tweet_id, pi FROM {} ORDER BY ALL"
    largest = (
        "SELECT model_version, tweet_id, max(pi) AS pi FROM draws JOIN counted_designs USING (design_id) GROUP BY ALL"
    )
    there = catalog.run_sql(store, pi.format(f"({largest}) SEMI JOIN sampled_tweets USING (model_version, tweet_id)"))
    return kept.equals(whole.select(kept.columns)) and there.equals(catalog.run_sql(store, pi.format("sampled_tweets")))


def summed(store: Store) -> pl.DataFrame:
    what = "model_version, word, label, tweets, round(w, 9) AS w, round(wx, 9) AS wx"
    return catalog.run_sql(store, f"SELECT {what} FROM word_label_sums ORDER BY ALL")


def made_again(store: Store) -> pl.DataFrame:
    """`summed`, from explanations and draws alone."""
    for table in DERIVED:
        shutil.rmtree(store.root / table)
    stored = stores.open_existing(store.root)
    catalog.refresh(stored)
    return summed(stored)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(explained | drawn | designed, min_size=1, max_size=3), min_size=1, max_size=5))
def test_whatever_is_added_is_found(tmp_path_factory, monkeypatch, histories) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    store = new_store(tmp_path_factory.mktemp("s") / "store")
    number = 0
    for events in histories:
        for event in events:
            number += 1
            happens(store, number, *event)
        catalog.refresh(store)
        assert agrees(store)
    assert summed(store).equals(made_again(store))


@pytest.fixture
def made(tmp_path) -> Store:
    store = new_store(tmp_path / "store")
    happens(store, 0, "designs", "d")
    for number, (tweet, text) in enumerate([("t1", "h1"), ("t2", "h2")], 1):
        happens(store, number, "explanations", [(tweet, text, False)])
        happens(store, number, "draws", (tweet, 0.5, "d"))
    catalog.refresh(store)
    return store


@pytest.fixture
def looked_at(monkeypatch) -> list[set[str] | None]:
    """Texts that each refresh looked at; None: all."""
    seen, settle = [], blocks.settle

    def spied(store, rows, among, sources):
        seen.append(None if among is None else set(among))
        settle(store, rows, among, sources)

    monkeypatch.setattr(blocks, "settle", spied)
    return seen


def test_only_texts_of_what_is_new_are_looked_at(made, looked_at) -> None:
    catalog.refresh(made)
    assert looked_at == []
    happens(made, 3, "explanations", [("t3", "h3", False)])
    catalog.refresh(made)
    happens(made, 4, "draws", ("t3", 0.5, "d"))
    catalog.refresh(made)
    happens(made, 5, "explanations", [("t4", "h1", False)])
    catalog.refresh(made)
    happens(made, 6, "draws", ("t1", 1.0, "late"))  # of a design that is stored after it
    catalog.refresh(made)
    assert looked_at == [{"h3"}, {"h3"}, {"h1"}, {"h1"}]
    happens(made, 7, "designs", "late")
    catalog.refresh(made)
    assert looked_at[4:] == [{"h1"}]
    assert agrees(made)


def test_a_tweet_of_two_texts_is_looked_at_with_either(made) -> None:
    happens(made, 3, "explanations", [("t1", "h0", False)])  # it stays in h1, the larger hash
    catalog.refresh(made)
    happens(made, 4, "explanations", [("t3", "h0", False)])
    happens(made, 4, "draws", ("t3", 0.5, "d"))
    catalog.refresh(made)
    assert agrees(made)


def test_an_explanation_that_comes_between_index_and_texts_is_summed(made, monkeypatch) -> None:
    happens(made, 3, "explanations", [("t1", "h1", False)])
    texts = renewal._texts

    def late(*given):
        happens(made, 4, "explanations", [("t1", "h1", False)])
        texts(*given)

    with monkeypatch.context() as patched:
        patched.setattr(renewal, "_texts", late)
        catalog.refresh(made)
    catalog.refresh(made)
    assert summed(made).equals(made_again(made))


@pytest.mark.parametrize(("buried", "text"), [("t3", "h3"), ("t1", "h1")])
def test_a_refresh_works_while_a_tweet_is_being_forgotten(made, monkeypatch, buried, text) -> None:
    """As when `forget` waits for a worker: the tombstone is there, and the explanation, too. t1 stands for its text."""
    monkeypatch.setattr(blocks, "BLOCK", 1)
    happens(made, 3, "explanations", [("t3", text, False)])
    catalog.refresh(made)
    happens(made, 3, "draws", ("t3", 0.5, "d"))
    row = {"tweet": tombstones.name_of(made, buried), "forgotten_at": DAY}
    put(made, tombstones.TABLE, row["tweet"], [row])
    catalog.refresh(made)
    assert buried not in catalog.run_sql(made, "FROM sampled_texts")["tweet_id"]
    forget(made, {buried})
    catalog.refresh(made)
    assert agrees(made)
    assert summed(made).equals(made_again(made))


def test_all_are_looked_at_where_something_is_gone_or_a_refresh_was_killed(made, looked_at, monkeypatch) -> None:
    made.part("explanations", "e2").unlink()
    catalog.refresh(made)
    assert looked_at == [None]
    assert agrees(made)
    happens(made, 3, "explanations", [("t3", "h3", False)])
    happens(made, 3, "draws", ("t3", 0.5, "d"))
    with monkeypatch.context() as patched:
        patched.setattr(blocks, "write_text", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            catalog.refresh(made)
    catalog.refresh(made)
    assert looked_at[1:] == [{"h3"}, None]
    assert agrees(made)


def test_a_snapshot_leaves_nothing_that_the_next_refresh_takes_for_new(made, looked_at, tmp_path) -> None:
    catalog.snapshot(made, tmp_path / "snapshot.duckdb")
    catalog.refresh(made)
    assert looked_at == [None, None]
    assert agrees(made)


def test_a_forgotten_tweet_is_in_no_text_and_no_sum(made) -> None:
    before = made.part_names("sums")
    forget(made, {"t2"})
    catalog.refresh(made)
    assert agrees(made)
    assert catalog.run_sql(made, "SELECT tweet_id FROM sampled_texts").rows() == [("t1",)]
    assert catalog.run_sql(made, "SELECT DISTINCT tweets FROM word_label_sums").rows() == [(1,)]
    assert made.part_names("sums") != before


def test_a_query_that_began_before_refreshes_can_end_after_them(made) -> None:
    """It found every part that was there, also of blocks that the next refreshes replace."""
    for number, pi in enumerate((0.6, 0.7, 0.8), 3):
        found = list((made.root / blocks.TABLE).glob("*.parquet"))
        happens(made, number, "draws", ("t1", pi, "d"))
        catalog.refresh(made)
        assert not {made.part(blocks.TABLE, name) for name in blocks.names(made)} & {*found}
        assert all(part.exists() for part in found)
        assert agrees(made)


def test_blocks_that_stay_are_not_summed_again(made, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1)
    happens(made, 3, "explanations", [("t3", "h3", False)])
    happens(made, 3, "draws", ("t3", 0.5, "d"))
    read, summed = [], sums.read
    monkeypatch.setattr(sums, "read", lambda parts: summed(read.extend(part.stem for part in parts) or parts))
    catalog.refresh(made)
    assert read == ["e3"]


def test_a_design_that_still_waits_changes_no_weight(made) -> None:
    pi = "SELECT tweet_id, pi FROM sampled_tweets ORDER BY ALL"
    happens(made, 3, "designs", "late")
    drawn = [f"t{number}" for number in range(1, 21)]
    rows = [{"design_id": "late", "tweet_id": tweet, "key": "k", "pi": 0.9} for tweet in drawn]
    put(made, "draws", "w3", rows)
    for explained in (drawn[2:17], drawn[17:18]):  # with t1 and t2, 17 and 18 of 20
        catalog.refresh(made)
        assert catalog.run_sql(made, pi).rows()[:1] == [("t1", 0.5)]
        assert catalog.run_sql(made, "SELECT sum(w) FROM sampled_texts").item() == 4
        happens(made, 4 + len(explained), "explanations", [(tweet, tweet, False) for tweet in explained])
    catalog.refresh(made)
    assert set(catalog.run_sql(made, pi)["pi"]) == {0.9}
    assert catalog.run_sql(made, "SELECT sum(w) FROM sampled_texts").item() == pytest.approx(18 / 0.9)
    assert agrees(made)


def test_what_failed_waits_no_more(made) -> None:
    happens(made, 3, "draws", ("t3", 0.5, "late"))
    happens(made, 3, "draws", ("t1", 0.9, "late"))
    happens(made, 4, "draws", ("t4", 0.5, "late"))
    happens(made, 3, "designs", "late")
    catalog.refresh(made)
    assert catalog.run_sql(made, "SELECT design_id FROM counted_designs").rows() == [("d",)]
    failed = [{"batch": "b", "tweet_id": tweet, "model_version": "m", "failed_at": DAY} for tweet in ("t3", "t4")]
    put(made, "failures", "f", failed)
    catalog.refresh(made)
    assert catalog.run_sql(made, "FROM counted_designs ORDER BY design_id")["met"].to_list() == [1, 1]
    assert agrees(made)


def test_the_first_design_shows_what_is_there_so_far(tmp_path) -> None:
    store = new_store(tmp_path / "store")
    for number, tweet in enumerate(["t1", "t2", "t3"]):
        happens(store, number, "draws", (tweet, 0.5, "d"))
        happens(store, 10 + number, "draws", (tweet, 0.9, "late"))
    happens(store, 20, "designs", "d")
    happens(store, 21, "explanations", [("t1", "h1", False)])
    happens(store, 22, "designs", "late")
    catalog.refresh(store)
    assert catalog.run_sql(store, "SELECT tweet_id, pi FROM sampled_tweets").rows() == [("t1", 0.5)]
