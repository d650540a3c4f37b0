"""The small parts of the bulk job, each by its law."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.follow import arriving
from batch.known import ScoreCache, entries
from batch.limits import RejectLimit
from batch.pipeline import ahead, behind
from batch.readers import Chunk
from batch.rows import Tweet
from batch.sources import Source, expand
from batch.windows import usable
from camembias import store as stores
from camembias.errors import InputError
from camembias.schemas import TABLES
from camembias.scoring import token_batches
from camembias.settings import cpu_count

ROOT = Path(__file__).parents[2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=80), st.integers(0, 600))
def test_token_batches_hold_each_row_once_within_the_budget(lengths, budget):
    batches = list(token_batches(lengths, budget))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget
        assert lengths[batch[0]] == max(lengths[row] for row in batch), "the first row sets the width"


def test_items_are_computed_ahead_by_one_and_handed_over_behind_by_one():
    made, done = [], []

    def items():
        for item in range(6):
            made.append(item)
            yield item

    def work(item):
        time.sleep(0.01)
        done.append(item)

    with behind(work) as hand_over:
        for item in ahead(items()):
            time.sleep(0.02)
            assert len(made) <= item + 2
            hand_over(item)
            assert len(done) >= item
    assert made == done == list(range(6))


def test_errors_of_both_threads_reach_the_loop_and_end_it():
    def broken():
        yield 1
        raise ValueError("read")

    with pytest.raises(ValueError, match="read"):
        list(ahead(broken()))

    done = []

    def work(item):
        if item == 1:
            raise OSError("write")
        done.append(item)

    def loop():
        with behind(work) as hand_over:
            for item in range(9):
                hand_over(item)

    with pytest.raises(OSError, match="write"):
        loop()
    assert done == [0], "nothing is written after a write that failed"


def test_closing_early_ends_the_thread():
    before = threading.active_count()
    items = ahead(iter(range(100)))
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=8, unique=True), max_size=30), st.integers(1, 6))
def test_the_cache_holds_the_last_used_and_never_more_than_its_limit(rounds, half):
    cache, latest, order = ScoreCache(2 * half), {}, []  # the latest scores of every text; texts in order of last use
    for number, names in enumerate(rounds):
        keys = [str(name) for name in names]
        found = cache.found(keys)
        assert found == {key: latest[key] for key in found}
        assert found.keys() >= set(keys) & set(order[-half:]), "the last half are always there"
        fresh = [key for key in keys if key not in found]
        new = entries(fresh, np.full((len(fresh), 2), number, dtype=np.float32), np.zeros(len(fresh), dtype=bool))
        cache.put(new)
        latest |= new
        used = [*found, *new]
        order = [*(key for key in order if key not in used), *used]
        assert len(cache) <= 2 * half


def test_of_an_id_with_two_texts_no_score_is_remembered(tmp_path):
    store = stores.create(tmp_path / "store")
    ids, texts = ["1", "1", "2"], ["one", "other", "alone"]
    tweets = pl.DataFrame({"tweet_id": ids, "text_hash": texts})
    store.write(
        "tweets", "p", tweets.select(pl.col(c) if c in tweets else pl.lit(None).alias(c) for c in TABLES["tweets"])
    )
    scores = [[{"label": "a", "logit": 1.0, "p": 0.5}, {"label": "b", "logit": 2.0, "p": 0.5}]] * 2
    rows = pl.DataFrame({"tweet_id": ["1", "2"], "scores": scores, "rescored": [True, False]})
    names = TABLES["predictions"]
    store.write("predictions", "p", rows.select(pl.col(c) if c in rows else pl.lit(None).alias(c) for c in names))
    cache = ScoreCache()
    cache.warm(store, ["p"])
    assert cache.found(texts) == {"alone": (np.array([1, 2], dtype=np.float32).tobytes(), False)}


def test_the_same_row_again_is_known_and_another_text_under_its_id_is_refused():
    given = [("1", "un  tweet"), ("1", "un tweet"), ("2", "deux"), ("1", "autre"), ("2", "deux"), ("3", " ")]
    chunk = Chunk(0, tweets=[Tweet(name, text, None, None, line) for line, (name, text) in enumerate(given, 1)])
    tweets, texts, again = usable(chunk)
    assert [(tweet.tweet_id, text) for tweet, text in zip(tweets, texts, strict=True)] == [
        ("1", "un tweet"),
        ("2", "deux"),
    ]
    assert again == 2
    assert [(line, reason) for line, reason, _ in chunk.rejects] == [
        (4, "id seen already with another text"),
        (6, "empty after normalising"),
    ]


def test_cpus_follow_both_versions_of_the_control_group(tmp_path):
    everything = cpu_count(tmp_path / "none")
    assert everything == len(os.sched_getaffinity(0))
    two, one = tmp_path / "v2", tmp_path / "v1"
    two.mkdir()
    (one / "cpu").mkdir(parents=True)
    for text, cpus in (("max 100000", everything), ("150000 100000", 1), ("50000 100000", 1), ("junk", everything)):
        (two / "cpu.max").write_text(text)
        assert cpu_count(two) == cpus, text
    (one / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for text, cpus in (("-1\n", everything), ("100000\n", 1), ("99999999\n", everything)):
        (one / "cpu" / "cpu.cfs_quota_us").write_text(text)
        assert cpu_count(one) == cpus, text


def test_limits_of_refused_rows():
    assert [RejectLimit.parse("5").passed(rejects, 10) for rejects in (5, 6)] == [False, True]
    share = RejectLimit.parse("2%")
    assert not share.passed(50, 100), "too early for a percentage"
    assert share.passed(50, 100, ended=True)
    assert [share.passed(rejects, 1000) for rejects in (20, 21)] == [False, True]
    assert RejectLimit.parse("0").passed(1, 1)
    for bad in ("", "x", "-1", "200%", "%", "1.5"):
        with pytest.raises(InputError, match="give a number of rows"):
            RejectLimit.parse(bad)


def test_a_file_arrives_when_it_has_kept_still_and_again_when_it_changed(tmp_path):
    stop = threading.Event()
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "notes.md").write_text("x")
    groups = arriving(tmp_path, stop, poll_s=0.05)
    assert next(groups) == [tmp_path / "a.csv"]
    (tmp_path / "b.csv").write_text("y")
    growing = threading.Thread(target=_grow, args=(tmp_path / "a.csv",))
    growing.start()
    assert next(groups) == [tmp_path / "b.csv"], "a file that grows is not complete"
    growing.join()
    assert next(groups) == [tmp_path / "a.csv"]
    stop.set()
    assert list(groups) == []
    with pytest.raises(InputError, match="no folder"):
        next(arriving(tmp_path / "none", stop))


def test_a_file_comes_again_when_its_rights_have_changed(tmp_path):
    stop = threading.Event()
    path = tmp_path / "a.csv"
    path.write_text("x")
    path.chmod(0o600)
    groups = arriving(tmp_path, stop, poll_s=0.05)
    assert next(groups) == [path]
    path.chmod(0o644)
    assert next(groups) == [path]
    stop.set()


def test_a_file_that_may_not_be_looked_at_is_given_once_and_reading_it_tells_why():
    with tempfile.TemporaryDirectory() as name:  # not tmp_path: only its owner may enter that
        folder, stop = Path(name), threading.Event()
        folder.chmod(0o755)
        (folder / "closed").mkdir()
        path, other = folder / "closed" / "a.csv", folder / "b.csv"
        path.write_text("tweet_id,text\n1,le train\n")
        other.write_text("tweet_id,text\n2,le vélo\n")
        (folder / "closed").chmod(0o444)  # it can be listed, and no more
        groups = arriving(folder, stop, poll_s=0.05)
        with nobody():
            assert next(groups) == [other, path]
            assert expand([folder]) == [other, path]
            with pytest.raises(InputError, match="Permission denied"):
                _ = Source(path).identity
            threading.Timer(0.5, stop.set).start()
            assert list(groups) == []
        (folder / "closed").chmod(0o755)


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, whom nothing is closed to."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def _grow(path: Path) -> None:
    for _ in range(25):
        with path.open("a") as handle:
            handle.write("x")
        time.sleep(0.02)


def test_of_two_jobs_that_make_a_store_the_first_one_names_the_salt(tmp_path):
    code = (
        "import sys; from pathlib import Path; from camembias import store; print(store.create(Path(sys.argv[1])).salt)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)]
    salts = {job.communicate()[0].strip() for job in jobs}
    assert salts == {stores.open_existing(tmp_path / "s").salt}
    left = sorted(path.name for path in (tmp_path / "s").iterdir() if path.is_file())
    assert left == ["store.json", "upkeep.lock", "upkeep.lock.gate"]
