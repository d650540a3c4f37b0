"""A request batch: done twice, dying half-way, holding a poison, out of time; and the trail that it leaves."""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camembias import attempts, tombstones
from camembias import store as stores
from camembias.bundle import Bundle
from camembias.errors import StoreError
from camembias.forget import forget
from camembias.labels import DEFAULT_LABELS
from camembias.messages import ExplainRequest
from camembias.schemas import TABLES
from camembias.store import Store
from explain_worker import giving_way, job
from explain_worker.giving_way import Pace
from explain_worker.machine import MachineError
from tests.full_disk import no_file_over

WORKER = "w"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stores.create(tmp_path / "store")


@pytest.fixture(scope="module")
def model(tiny_bundle: Bundle) -> job.Model:
    return job.Model.open(tiny_bundle)


@pytest.fixture
def asked(store: Store, model: job.Model) -> ExplainRequest:
    row = {"batch": "b", "label": "viande", "model_version": model.version, "targets": list(DEFAULT_LABELS)}
    row |= {"method": "integrated_gradients", "baseline": "mask", "requested_at": stores.now()}
    rows = [{**row, "tweet_id": str(number), "text": f"le train numéro {number}"} for number in range(4)]
    store.write("requests", "b", pl.DataFrame([one | {"design_id": None} for one in rows], schema=TABLES["requests"]))
    store.write("request_texts", "b", pl.DataFrame(rows).select("batch", "tweet_id", "text"))
    return ExplainRequest("b", model.version)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Instead of the model, in tests of what happens around it: a function for each tweet id that shall not do well."""
    troubles: dict[str, Any] = {}

    def explain_tweets(model: job.Model, tweets: list[job.Tweet]) -> list[job.Tweet]:
        for tweet in tweets:
            troubles.get(tweet["tweet_id"], lambda: None)()
        names = ("batch", "tweet_id", "model_version", "label", "method", "baseline")
        return [{name: tweet[name] for name in names} | {"target": "viande", "converged": True} for tweet in tweets]

    monkeypatch.setattr(job, "explain_tweets", explain_tweets)
    return troubles


class Died(BaseException):
    """What a kill -9 looks like from outside: no more lines on the trail, and the lock is free."""


@pytest.fixture
def may_die(
    store: Store, model: job.Model, asked: ExplainRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., bool]:
    """Work on the batch until it is finished or dies; True when it died."""
    monkeypatch.setattr(attempts.Trail, "pause", lambda self: None)

    def work(worker: str = WORKER) -> bool:
        try:
            return bool(job.explain_batch(store, model, asked, worker))
        except Died:
            return True

    return work


def explained(store: Store) -> list[str]:
    return sorted(store.scan("explanations").collect()["tweet_id"])


def failures(store: Store, *columns: str) -> list[tuple[Any, ...]]:
    return store.scan("failures").collect().sort("tweet_id").select(columns).rows()


def die() -> None:
    raise Died


def raise_quoting() -> None:
    raise RuntimeError("cannot read 'le train numéro 1'")


def test_doing_a_batch_twice_doubles_nothing_and_removes_the_texts(store, model, asked):
    assert job.explain_batch(store, model, asked, WORKER) == 0
    written = store.part("explanations", "b").read_bytes()
    assert store.scan("explanations").collect().height == 16
    assert not store.has_part("request_texts", "b")
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert store.part("explanations", "b").read_bytes() == written
    assert failures(store, "tweet_id") == []
    assert list(store.attempts.iterdir()) == []


def test_a_tweet_that_raises_fails_alone_and_is_not_quoted(store, model, asked, quick, caplog):
    quick["1"] = raise_quoting
    with caplog.at_level(logging.INFO):
        assert job.explain_batch(store, model, asked, WORKER) == 0
    assert explained(store) == ["0", "2", "3"]
    [(tweet, tries, error)] = failures(store, "tweet_id", "attempts", "error")
    assert (tweet, tries) == ("1", 2)
    assert error.startswith("RuntimeError at ")
    assert "numéro" not in error + caplog.text
    quick.clear()
    assert job.explain_batch(store, model, asked, WORKER) == 0  # delivered once more: what failed stays failed
    assert explained(store) == ["0", "2", "3"]


def test_only_the_tweet_that_kills_its_worker_fails_on_the_third_attempt(store, quick, may_die):
    quick["2"] = die
    assert may_die()
    assert explained(store) == []
    assert may_die()
    assert explained(store) == ["0", "1"]
    [trail] = attempts.begun(store).values()
    assert (trail.attempts, trail.running) == (2, False)
    assert not may_die()
    assert explained(store) == ["0", "1", "3"]
    assert failures(store, "tweet_id", "attempts") == [("2", 3)]
    assert attempts.begun(store) == {}


def test_a_worker_killed_again_and_again_blames_nobody_at_once(store, quick, may_die):
    """A whole worker that dies may have been killed; the tweet is tried once more, after its neighbours."""
    quick["1"] = die
    assert may_die("first worker")
    assert may_die("second worker")
    assert explained(store) == ["0"]
    quick.clear()  # it was not the tweet
    assert not may_die("third worker")
    assert explained(store) == ["0", "1", "2", "3"]
    assert failures(store, "tweet_id") == []


def test_a_tweet_that_takes_whole_workers_down_fails_at_last_and_its_neighbours_do_not(store, quick, may_die):
    quick["1"] = die
    assert [may_die(f"worker {number}") for number in range(4)] == [True, True, True, False]
    assert explained(store) == ["0", "2", "3"]
    assert failures(store, "tweet_id", "attempts") == [("1", 4)]


def test_every_one_of_several_poisons_fails_and_the_rest_is_explained(store, quick, may_die):
    quick |= {"0": die, "3": die}
    assert [may_die() for _ in range(4)] == [True, True, True, False]
    assert explained(store) == ["1", "2"]
    assert failures(store, "tweet_id") == [("0",), ("3",)]


def test_a_batch_that_dies_before_any_tweet_ends_at_last(store, quick, may_die, monkeypatch):
    monkeypatch.setattr(attempts.Trail, "trying", lambda *_: die())
    quick["0"] = raise_quoting  # the first attempt goes on, tweet by tweet
    assert [may_die() for _ in range(12)][-1] is False
    assert len(failures(store, "tweet_id")) == 4


def test_a_batch_is_running_while_it_is_held_and_no_longer(store):
    with attempts.holding(store, "b") as trail:
        trail.begin(WORKER)
        assert attempts.is_running(store, "b")
        assert attempts.begun(store)["b"].running
    assert not attempts.is_running(store, "b")


def test_an_error_of_the_store_puts_no_tweet_under_suspicion(store, model, asked, quick, monkeypatch):
    quick["1"] = raise_quoting
    real = Store.write

    def full(self: Store, table: str, *rest: Any) -> Any:
        if table == "explanations":
            raise StoreError("the disk is full")
        return real(self, table, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", full)
        with pytest.raises(StoreError):
            job.explain_batch(store, model, asked, WORKER)
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert explained(store) == ["0", "2", "3"]
    assert failures(store, "tweet_id") == [("1",)]


@pytest.mark.parametrize("size", [30, 500])  # too small for a line of the trail; enough for it and not for a part
def test_however_often_the_disk_is_full_no_attempt_counts(store, model, asked, quick, size):
    with no_file_over(size):
        for _ in range(3 + 2 * 4 + 1):  # attempts after which a batch is given up
            with pytest.raises(StoreError, match="cannot write"):
                job.explain_batch(store, model, asked, WORKER)
    assert attempts.begun(store) == {}
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert store.part_names("explanations") == ["b"], "at once, as at the first attempt"
    assert explained(store) == ["0", "1", "2", "3"]
    assert failures(store, "tweet_id") == []


def short() -> None:
    raise torch.OutOfMemoryError("another process took the card")


@pytest.mark.parametrize(
    ("err", "lost"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), False),
        (MemoryError(), False),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), False),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
    ],
)
def test_however_often_the_machine_fails_no_tweet_does(store, model, asked, quick, err, lost):
    def fail() -> None:
        raise err

    quick |= dict.fromkeys(["0", "1", "2", "3", ""], fail)  # the empty id: whatever else is tried
    for _ in range(3 + 2 * 4 + 1):  # attempts after which a batch is given up
        with pytest.raises(MachineError) as found:
            job.explain_batch(store, model, asked, WORKER)
        assert found.value.lost is lost
    assert attempts.begun(store) == {}
    quick.clear()
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert explained(store) == ["0", "1", "2", "3"]
    assert failures(store, "tweet_id") == []


def test_a_tweet_too_large_for_a_machine_that_works_fails_alone_in_the_end(store, model, asked, quick):
    quick["1"] = short
    assert [job.explain_batch(store, model, asked, WORKER) for _ in range(3)] == [1, 1, 0]
    assert explained(store) == ["0", "2", "3"]
    assert failures(store, "tweet_id", "attempts") == [("1", 4)]


def test_a_tweet_that_lacked_memory_for_a_while_is_explained(store, model, asked, quick):
    quick["1"] = short
    assert job.explain_batch(store, model, asked, WORKER) == 1
    quick.clear()
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert explained(store) == ["0", "1", "2", "3"]
    assert failures(store, "tweet_id") == []


@pytest.mark.parametrize(("table", "name"), [("requests", "b"), ("request_texts", "b"), ("explanations", "b")])
def test_a_damaged_part_is_a_trouble_of_the_store(store, model, asked, quick, table, name):
    part = store.part(table, name)
    whole = part.read_bytes() if part.exists() else None
    part.write_bytes(b"no Parquet")
    with pytest.raises(StoreError, match="damaged"):
        job.explain_batch(store, model, asked, WORKER)
    part.write_bytes(whole) if whole else part.unlink()
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert store.part_names("explanations") == ["b"], "at once, as at the first attempt"


def test_a_full_disk_leaves_a_suspect_under_suspicion(store, model, asked, quick, may_die):
    quick["1"] = die
    assert may_die("first worker")
    assert may_die("second worker")
    before = (store.attempts / "b.jsonl").read_bytes()
    for size in (30, len(before) + 300):  # no room for a line of the trail; for some lines and no part
        with no_file_over(size), pytest.raises(StoreError, match="cannot write"):
            job.explain_batch(store, model, asked, "third worker")
        assert (store.attempts / "b.jsonl").read_bytes() == before
    assert [may_die("third worker"), may_die("fourth worker")] == [True, False]
    assert failures(store, "tweet_id", "attempts") == [("1", 4)]


def test_out_of_time_it_stops_between_tweets_and_goes_on_later(store, model, asked, quick):
    quick["0"] = raise_quoting
    assert job.explain_batch(store, model, asked, WORKER, budget_s=-math.inf) == 4
    assert job.explain_batch(store, model, asked, WORKER, budget_s=60) == 0
    assert explained(store) == ["1", "2", "3"]


@pytest.fixture
def one_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "fitting", lambda self, tweets, labels: 1)


def test_slices_and_one_whole_give_the_same_rows(store, model, asked, monkeypatch):
    texts = store.read("request_texts", "b").to_dicts()
    tweets = [row | text for row, text in zip(store.read("requests", "b").to_dicts(), texts, strict=True)]
    whole = job.explain_tweets(model, tweets)
    monkeypatch.setattr(Pace, "fitting", lambda self, tweets, labels: 3)
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert store.part_names("explanations") == ["b"], "one part, however many slices"
    kept = ["tweet_id", "target", "steps", "converged", "text_hash"]
    rows, expected = store.read("explanations", "b"), pl.DataFrame(whole, schema=TABLES["explanations"])
    assert rows.select(kept).equals(expected.select(kept))
    for one, other in zip(rows.to_dicts(), expected.to_dicts(), strict=True):
        assert one["logit"] == pytest.approx(other["logit"], abs=1e-4)
        scores, others = ([word["score"] for word in row["words"]] for row in (one, other))
        assert scores == pytest.approx(others, abs=1e-3)


@pytest.mark.parametrize("stops_after", [1, 2, 3])
def test_who_waits_is_let_in_after_a_slice_and_nothing_counts_as_an_attempt(
    store, model, asked, quick, one_a_slice, stops_after
):
    looks = iter(range(1, 99))
    waits = lambda within: not within and next(looks) % stops_after == 0  # noqa: E731
    left = [job.explain_batch(store, model, asked, WORKER, waits=waits) for _ in range(-(-4 // stops_after))]
    assert left == [max(0, 4 - stops_after * turn) for turn in range(1, len(left) + 1)]
    assert explained(store) == ["0", "1", "2", "3"]
    assert len(store.part_names("explanations")) == len(left), "one part a turn"
    assert (attempts.begun(store), failures(store, "tweet_id")) == ({}, [])
    assert list(store.attempts.iterdir()) == []


def test_a_batch_that_gave_way_is_begun_by_nobody_and_suspects_nobody(store, model, asked, quick, one_a_slice):
    assert job.explain_batch(store, model, asked, WORKER, waits=lambda within: not within) == 3
    assert attempts.begun(store) == {}
    quick["2"] = raise_quoting  # now tweet by tweet, and in between somebody waits
    assert job.explain_batch(store, model, asked, WORKER, waits=lambda within: not within) == 2
    assert attempts.begun(store) == {}
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert failures(store, "tweet_id", "attempts") == [("2", 2)]


def test_a_suspect_stays_one_when_the_batch_gives_way(store, quick, may_die, model, asked, monkeypatch):
    quick["1"] = die
    assert may_die("first worker")
    assert may_die("second worker")
    before = (store.attempts / "b.jsonl").read_bytes()
    assert job.explain_batch(store, model, asked, "third worker", waits=lambda within: not within) == 2
    assert (store.attempts / "b.jsonl").read_bytes() == before
    assert [may_die("third worker"), may_die("fourth worker")] == [True, False]
    assert failures(store, "tweet_id", "attempts") == [("1", 4)]


def test_an_urgent_request_stops_a_slice_in_its_passes_and_the_slice_is_done_again(
    store, model, asked, one_a_slice, monkeypatch
):
    monkeypatch.setattr(giving_way, "ASKED_EVERY_S", 0.0)
    passes = []
    counting = model.network.register_forward_hook(lambda *_: passes.append(1))
    inner = iter([False, False, True])  # in the third pass
    assert job.explain_batch(store, model, asked, WORKER, waits=lambda within: within and next(inner)) == 4
    counting.remove()
    assert len(passes) <= 2, "not one more"
    assert (explained(store), attempts.begun(store)) == ([], {})
    assert model.network._forward_pre_hooks == {}
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert store.part_names("explanations") == ["b"]


def test_a_slow_batch_is_stored_now_and_then(store, model, asked, quick, one_a_slice, monkeypatch, may_die):
    monkeypatch.setattr(job, "SAVED_EVERY_S", 0.0)
    quick["2"] = die
    assert may_die()
    assert explained(store) == ["0", "1"]
    quick.clear()
    assert not may_die()
    assert explained(store) == ["0", "1", "2", "3"]


@given(st.lists(st.integers(1, 280), min_size=1, max_size=60), st.floats(0.01, 100))
def test_slices_are_about_a_second_and_cover_the_batch(lengths, ms):
    """Of a machine that takes so many milliseconds a character, all its tweets alike."""
    pace, left, sizes = Pace(), [{"text": "x" * length, "targets": ["a"]} for length in lengths], []
    while left:
        part = left[: pace.fitting(left, 2)]
        seconds = sum(len(tweet["text"]) + 1 for tweet in part) * ms / 1000
        assert len(part) == 1 or seconds <= giving_way.SLICE_S * 1.001
        sizes.append(len(part))
        assert sizes[0] == 1
        assert all(b <= 8 * a for a, b in itertools.pairwise(sizes))
        pace.learn(part, 2, seconds)
        left = left[len(part) :]
    assert sum(sizes) == len(lengths)


def test_a_request_for_another_model_stays_as_it_is(store, model, asked, quick):
    assert job.explain_batch(store, model, ExplainRequest("b", "another"), WORKER) == 0
    assert explained(store) == []
    assert store.scan("failures").collect().is_empty()


@pytest.mark.parametrize(
    ("changes", "error"), [({"targets": ["train"]}, "unknown label 'train'"), ({"method": "magic"}, "method 'magic'")]
)
def test_what_cannot_be_explained_is_recorded(store, model, asked, changes, error):
    rows = store.read("requests", "b").to_dicts()
    store.write("requests", "b", pl.DataFrame([{**row, **changes} for row in rows], schema=TABLES["requests"]))
    assert job.explain_batch(store, model, asked, WORKER) == 0
    assert [error in found for (found,) in failures(store, "error")] == [True] * 4


def test_a_batch_that_is_not_in_the_store_is_named(store, model):
    with pytest.raises(StoreError, match="no part 'gone'"):
        job.explain_batch(store, model, ExplainRequest("gone", model.version), WORKER)
    assert list(store.root.glob("attempts/*")) == []


def test_a_torn_last_line_of_a_trail_is_left_out(store):
    with attempts.holding(store, "b") as trail:
        trail.begin(WORKER)
        trail.trying("7")
    path = store.attempts / "b.jsonl"
    path.write_bytes(path.read_bytes() + b'{"at": "2026-11-')
    with attempts.holding(store, "b") as trail:
        assert (trail.attempts, trail.suspect) == (1, "7")
        trail.begin(WORKER)
    with attempts.holding(store, "b") as trail:
        assert (trail.attempts, trail.suspect) == (2, None)


@pytest.mark.parametrize("batch", ["../../etc/passwd", "a/b", "", ".hidden", "b\n"])
def test_a_batch_cannot_name_a_path(batch):
    with pytest.raises(ValueError, match="batch"):
        ExplainRequest.from_dict({"batch": batch, "model_version": "v"})


def test_a_tweet_forgotten_while_a_worker_holds_it_is_not_stored_and_the_batch_ends(
    store: Store, model: job.Model, asked: ExplainRequest, quick: dict[str, Any]
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        assert go_on.wait(60)

    quick["1"] = slowly
    left: list[int] = []
    worker = threading.Thread(target=lambda: left.append(job.explain_batch(store, model, asked, WORKER)))
    eraser = threading.Thread(target=forget, args=(store, ["1"]))
    worker.start()
    assert begun.wait(60)
    eraser.start()
    while not tombstones.forgotten(store, ["1"]):
        time.sleep(0.01)
    assert eraser.is_alive(), "it waits for the batch"
    go_on.set()
    worker.join()
    eraser.join()
    assert left == [0]
    assert set(store.scan("explanations").collect()["tweet_id"]) == {"0", "2", "3"}
    assert set(store.scan("requests").collect()["tweet_id"]) == {"0", "2", "3"}
    assert (attempts.begun(store), store.part_names("request_texts")) == ({}, [])
    assert job.explain_batch(store, model, asked, WORKER) == 0
