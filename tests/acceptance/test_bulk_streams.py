"""classify as a user or a scheduler runs it: standard input, a followed folder, signals, kill -9, and bad disks."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from camembias import store as stores
from camembias import synthetic

from .conftest import ROOT, camembias

pytestmark = pytest.mark.acceptance
CODE = [sys.executable, "-c", "from camembias.cli import main; main()", "classify"]
STOPPED = 75


def start(*arguments: object, **options: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([*CODE, *map(str, arguments)], cwd=ROOT, env=environment, **pipes)  # type: ignore[call-overload, no-any-return]


def rows(store: Path, table: str = "predictions") -> pl.DataFrame:
    return stores.open_existing(store).scan(table).collect()


def wait_for(store: Path, count: int, limit_s: float = 300) -> None:
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if (store / "store.json").exists() and rows(store, "units")["rows_out"].sum() >= count:
            return
        time.sleep(0.3)
    raise AssertionError(f"{count} rows did not appear in {store}")


@pytest.fixture(scope="module")
def tweets() -> pl.DataFrame:
    return synthetic.tweets(600, seed=8).drop("label")


def test_standard_input_is_classified_as_it_comes_and_twice_doubles_nothing(model, tweets, tmp_path):
    body = tweets[:200].write_ndjson() + "oops\n"
    store = tmp_path / "store"
    process = start(model, "-", "--store", store, "--json", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(body)
    process.stdin.flush()
    wait_for(store, 200)  # while the pipe is still open
    done, errors = process.communicate(body)
    assert process.returncode == 0, errors
    counts = json.loads(done)
    assert (counts["rows"], counts["classified"], counts["cached"] >= 200) == (402, 400, True)
    again = start(model, "-", "--store", store, "--json", stdin=subprocess.PIPE)
    counts = json.loads(again.communicate(body)[0])
    assert (counts["known"], counts["classified"], counts["rejects"]) == (200, 0, 1)


def test_a_followed_folder(model, tweets, tmp_path):
    folder, store = tmp_path / "in", tmp_path / "store"
    folder.mkdir()
    tweets[:100].write_csv(folder / "first.csv")
    process = start(model, "--follow", folder, "--store", store, "--json", "--log-json")
    try:
        wait_for(store, 100)
        (folder / "broken.csv").write_bytes("tweet_id,text\n1,a\n".encode("utf-16")[:7])
        (folder / "half.csv.part").write_text("tweet_id,text\n")
        tweets[100:200].write_ndjson(folder / ".late.ndjson")
        (folder / ".late.ndjson").rename(folder / "late.ndjson")
        wait_for(store, 200)
        tweets[100:250].write_ndjson(folder / "late.ndjson")  # grown: 50 new tweets
        wait_for(store, 250)
    finally:
        process.send_signal(signal.SIGTERM)
        done, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    counts = json.loads(done)
    assert counts["status"] == "stopped"
    assert (counts["classified"], counts["known"], counts["rejects"]) == (250, 100, 1)
    arrived = [json.loads(line) for line in errors.splitlines()]
    assert {event["event"] for event in arrived} == {"arrived"}
    assert sum(event["classified"] for event in arrived) == 250
    assert "cannot be read" in rows(store, "rejects")["reason"][0]
    assert rows(store, "runs")["status"].to_list() == ["stopped"]
    assert rows(store)["tweet_id"].n_unique() == rows(store).height == 250


def test_a_signal_stops_in_good_order_and_says_so(model, stream, tmp_path):
    store = tmp_path / "store"
    process = start(model, stream, "--store", store, "--json")
    wait_for(store, 1)
    process.send_signal(signal.SIGTERM)
    done, errors = process.communicate(timeout=120)
    assert process.returncode == STOPPED, errors
    counts = json.loads(done)
    assert counts["status"] == "stopped"
    assert rows(store).height == counts["classified"] == rows(store, "units")["rows_out"].sum()
    assert list(store.rglob("*.tmp")) == []


def test_two_jobs_on_one_store_and_kill_9_lose_and_double_nothing(model, stream, tmp_path):
    """Both read both files, in opposite order; one is killed at random and started again."""
    store, dice = tmp_path / "store", random.Random(7)
    overlap = tmp_path / "overlap.csv"
    frame = pl.read_csv(stream, schema_overrides={"tweet_id": pl.String})[:7000]
    frame[2000:].write_csv(overlap)
    stream = tmp_path / "stream.csv"
    frame.write_csv(stream)
    steady = start(model, stream, overlap, "--store", store)
    for _ in range(2):
        shaky = start(model, overlap, stream, "--store", store, stdout=subprocess.DEVNULL)
        time.sleep(dice.uniform(3, 10))
        shaky.kill()
        shaky.communicate()
    assert steady.wait(timeout=400) == 0
    done = camembias("classify", model, overlap, stream, "--store", store, "--json")
    assert done.returncode == 0, done.stderr
    found = rows(store)
    assert set(found["tweet_id"]) == set(frame["tweet_id"])
    assert found.group_by("tweet_id").agg(pl.col("label").n_unique())["label"].max() == 1
    assert camembias("doctor", "--store", store).returncode == 0


def test_too_many_rejects_and_bad_options_exit_with_2(model, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("tweet_id,text\n" + "".join(f"{i},{'' if i % 2 else 'a'}\n" for i in range(50)))
    done = camembias("classify", model, path, "--store", tmp_path / "s", "--max-rejects", "10%")
    assert done.returncode == 2
    assert "25 of 50 rows refused, over --max-rejects 10%; kept: 25 predictions" in done.stderr
    for arguments, said in (
        (("--max-rejects", "many"), "give a number of rows"),
        (("--follow", tmp_path), "no other input"),
    ):
        done = camembias("classify", model, path, *arguments, "--store", tmp_path / "s")
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
