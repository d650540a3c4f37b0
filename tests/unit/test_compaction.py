"""Compaction: fewer parts, the same answers, nothing lost that is written meanwhile, and a second run does nothing."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batch.known import KnownTweets, ScoreCache
from camembias import catalog, compaction, proof
from camembias import store as stores
from camembias.compaction import compact
from camembias.forget import forget
from camembias.schemas import TABLES
from camembias.store import Store
from tests.sql.conftest import DAY, LATER, prediction, put, tweet

NOW, LONG = timedelta(0), timedelta(hours=1)
QUESTIONS = {
    "tweets": "SELECT tweet_id, text, author, text_hash, source, seen_at FROM tweets ORDER BY ALL",
    "predictions": "SELECT tweet_id, serving_version, label, run_id, classified_at FROM predictions ORDER BY ALL",
    "rejects": "SELECT source, line, reason, raw, run_id FROM rejects ORDER BY ALL",
    "units": "SELECT * FROM units ORDER BY ALL",
    "runs": "SELECT run_id, status FROM runs ORDER BY ALL",
}


def scores(value: float) -> list[dict[str, Any]]:
    return [{"label": name, "logit": sign * value, "p": 0.5} for name, sign in (("avion", 1), ("viande", -1))]


def unit(store: Store, name: str, tweets: list[dict[str, Any]], version: str = "v1", **changes: Any) -> None:
    """A finished unit of work, as `classify` leaves it."""
    put(store, "tweets", name, tweets)
    rows = [prediction(one["tweet_id"], "avion", serving_version=version, run_id=name, classified_at=one["seen_at"],
                       scores=scores(float(len(one["text"])))) for one in tweets]  # fmt: skip
    put(store, "predictions", name, rows)
    put(
        store,
        "rejects",
        name,
        [{"source": "s", "line": 1, "reason": "no text", "raw": "x", "unit": name, "run_id": name}],
    )
    put(store, "units", name, [{"unit": name, "serving_version": version, "finished_at": LATER}])


def said(tweet_id: str, text: str, seen_at: Any = DAY) -> dict[str, Any]:
    return tweet(tweet_id, text, text_hash=f"h{text}", seen_at=seen_at)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five units of two serving versions; t1 in three of them, once with another text; an unfinished unit; two runs."""
    made = stores.create(tmp_path / "store")
    unit(made, "a", [said("t1", "un texte long"), said("t2", "deux")])
    unit(made, "b", [said("t1", "un texte", LATER), said("t3", "trois")])
    unit(made, "c", [said("t1", "un texte long", LATER), said("t4", "quatre")])
    unit(made, "d", [said("t1", "un texte long")], "v2")
    unit(made, "e", [said("t5", "cinq")], "v2")
    put(made, "tweets", "unfinished", [said("t9", "neuf")])
    put(made, "predictions", "unfinished", [prediction("t9", "avion")])
    for _ in range(2):
        with stores.running(made, "classify", {}):
            pass
    put(made, "runs", "alive", [{"run_id": "alive", "status": "running", "started_at": DAY}])
    catalog.refresh(made)
    return made


def answers(store: Store) -> dict[str, list[Any]]:
    return {name: catalog.run_sql(store, sql).rows() for name, sql in QUESTIONS.items()}


def names(store: Store) -> dict[str, list[str]]:
    return {table: store.part_names(table) for table in TABLES if store.part_names(table)}


def test_fewer_parts_the_same_answers_and_twice_does_nothing(store: Store) -> None:
    before, old = answers(store), names(store)
    done = compact(store)
    # tweets and predictions: a b c, and d e; rejects and units: five each; two of three runs
    assert (done.merged, done.into, done.removed) == (22, 7, 0)
    assert done.rows == 2 + 1 + 4  # t1 of a or c: tweets once, predictions of v1 twice, d e none; rejects alike 4 times
    assert answers(store) == before
    assert all(set(old[table]) <= set(names(store)[table]) for table in old), "what a reader may hold is still there"
    kept = names(store)
    again = compact(store)
    assert (again.merged, again.removed, names(store)) == (0, 0, kept)
    assert compact(store, keep=NOW).removed == 22
    assert answers(store) == before
    left = names(store)
    assert {table: len(found) for table, found in left.items()} == {
        "tweets": 3, "predictions": 3, "rejects": 1, "units": 1, "runs": 2}  # fmt: skip
    assert "unfinished" in left["tweets"]
    assert "alive" in left["runs"]
    assert compaction.notes(store) == []
    assert (compact(store, keep=NOW).merged, names(store)) == (0, left)
    assert catalog.failed_checks(store) == {}


def test_rows_that_wait_to_be_removed_do_not_count_twice(store: Store) -> None:
    def counted() -> dict[str, int]:
        return {
            table: store.scan(table, compaction.counting(store, table)).select(pl.len()).collect().item()
            for table in QUESTIONS
        }

    before = counted()
    compact(store)
    waiting = counted()
    assert waiting == {**before, "tweets": before["tweets"] - 1, "predictions": before["predictions"] - 2,
                       "rejects": 1}  # fmt: skip
    compaction.remove(store, NOW)
    assert counted() == waiting


def test_resuming_still_knows_units_and_tweets(store: Store) -> None:
    before = KnownTweets(store, "v1")
    before.refresh()
    compact(store)
    compact(store, keep=NOW)
    after = KnownTweets(store, "v1")
    parts = after.refresh()
    assert after.finished == before.finished == {"a", "b", "c"}
    wanted = [("t1", "un texte long"), ("t1", "un texte"), ("t4", "quatre"), ("t5", "cinq"), ("t9", "neuf")]
    ids, hashes = [one for one, _ in wanted], [f"h{text}" for _, text in wanted]
    assert after.holds(ids, hashes).tolist() == before.holds(ids, hashes).tolist() == [True, True, True, False, False]
    assert before.refresh() == parts  # a job that went on while parts were merged
    cache = ScoreCache()
    cache.warm(store, parts)
    found = cache.found(["htrois", "hun texte long", "hun texte"])
    assert set(found) == {"htrois"}, "t1 has two texts, and one stored score"
    assert memoryview(found["htrois"][0]).cast("f").tolist() == [5.0, -5.0]


def test_a_part_written_again_after_it_was_merged_is_not_removed(store: Store) -> None:
    compact(store)
    put(store, "tweets", "a", [said("new", "écrit après la fusion")])
    put(store, "predictions", "a", [prediction("new", "viande", serving_version="v1")])
    assert compact(store, keep=NOW).removed == 20
    catalog.refresh(store)
    assert "new" in [row[0] for row in answers(store)["tweets"]]
    compact(store, keep=NOW)
    compact(store, keep=NOW)
    assert {"new", "t1", "t2"} <= {row[0] for row in answers(store)["predictions"]}
    assert [name for name in store.part_names("tweets") if not name.startswith("merged-")] == ["unfinished"]


@pytest.mark.parametrize("written", [0, 1])
def test_killed_before_or_between_its_parts_it_is_run_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    before, left, write = answers(store), [written], Store.write

    def dying(self: Store, table: str, name: str, rows: pl.DataFrame) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return write(self, table, name, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            compact(store)
    assert answers(store) == before
    for _ in range(3):
        compact(store, keep=NOW)
        assert answers(store) == before
    assert {len(store.part_names(table)) for table in ("tweets", "predictions")} == {3}


def test_parts_that_are_large_already_are_left_alone(store: Store) -> None:
    compact(store, rows=3)  # one row is small, two are not
    assert [name for name in store.part_names("tweets") if name.startswith("merged-v1")] == []
    assert len([name for name in store.part_names("tweets") if name.startswith("merged-v2")]) == 1


def test_forgetting_reaches_merged_parts_and_those_that_wait_to_be_removed(store: Store) -> None:
    compact(store)
    forget(store, ["t1"])
    assert proof.search(store.root, ["t1"], []).places == []
    assert compaction.notes(store) == []
    compact(store, keep=NOW)
    catalog.refresh(store)
    assert [row[0] for row in answers(store)["tweets"]] == ["t2", "t3", "t4", "t5", "t9"]


def test_beside_a_job_that_writes_nothing_is_lost(store: Store) -> None:
    stop, errors, written = threading.Event(), [], []

    def job() -> None:
        try:
            while not stop.is_set():
                name = str(len(written))
                for turn in ("one", "two"):  # two jobs on the same unit: the second writes the first one's parts again
                    unit(store, name, [said(name, turn)])
                written.append(name)
        except Exception as err:
            errors.append(err)

    thread = threading.Thread(target=job)
    thread.start()
    compactions = 0
    while compactions < 4 and not errors:
        compact(store, keep=NOW)
        compactions += 1
        time.sleep(0.05)
    stop.set()
    thread.join()
    assert errors == []
    for _ in range(3):
        compact(store, keep=NOW)
    parts = {path.stem for path in (store.root / "units").glob("*.parquet")}
    assert len(parts) == 2  # the empty one and one other
    tweets = store.scan("tweets").collect()
    assert set(tweets.filter(text="two")["tweet_id"]) == set(written)  # what was written last, of every unit
    assert set(store.scan("predictions").collect()["tweet_id"]) == set(tweets["tweet_id"]) > set(written)
