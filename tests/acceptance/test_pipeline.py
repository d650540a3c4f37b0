"""From labelled tweets to answers, as a user runs it; nothing lost however often it is killed."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from camembias import bundle, catalog, synthetic
from camembias import store as stores
from camembias.cli.auditing import queue_and_worker
from camembias.report import findings

from .conftest import ROOT, camembias

pytestmark = pytest.mark.acceptance
LABELS = ["autre", "avion", "décroissance", "nucléaire", "viande"]
WHEN = {"run_id", "classified_at", "seen_at", "finished_at"}


def rows(store: Path, table: str) -> pl.DataFrame:
    frame = stores.open_existing(store).scan(table).collect()
    return frame.select(sorted(set(frame.columns) - WHEN - {"author"})).sort(frame.columns[0])


def test_the_model_learned_and_its_bundle_is_sound(model):
    found = bundle.load(model)
    assert found.manifest.metrics["accuracy"] > found.manifest.metrics["majority_share"] + 0.1
    assert found.manifest.parity is not None
    assert found.manifest.parity["fp32"]["flips"] == 0
    assert (model / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    assert list(found.manifest.labels) == LABELS


def test_evaluate_agrees_with_itself_as_json(model, tmp_path):
    synthetic.tweets(300, seed=5).write_parquet(tmp_path / "fresh.parquet")
    done = camembias("evaluate", model, tmp_path / "fresh.parquet", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    right = sum(found["confusion_matrix"][i][i] for i in range(len(LABELS)))
    assert found["accuracy"] == pytest.approx(right / found["tweets"])


def test_killed_five_times_ends_with_the_rows_of_an_undisturbed_run(model, stream, tmp_path):
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    assert camembias("classify", model, stream, "--store", calm).returncode == 0
    code = [sys.executable, "-c", "from camembias.cli import main; main()"]
    dice = random.Random(4)
    for _ in range(5):
        process = subprocess.Popen(
            [*code, "classify", model, stream, "--store", rough], cwd=ROOT, stdout=subprocess.PIPE
        )
        time.sleep(dice.uniform(1.0, 4.0))
        process.kill()
        process.wait()
    done = camembias("classify", model, stream, "--store", rough, "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["rows"] + counts["skipped"] == 12_000
    for table in ("predictions", "tweets", "rejects"):
        assert rows(rough, table).equals(rows(calm, table)), table
    assert rows(rough, "predictions").height == 12_000
    assert catalog.failed_checks(stores.open_existing(rough)) == {}


def killed_when(reached: Callable[[], object], *arguments: object) -> None:
    code = [sys.executable, "-c", "from camembias.cli import main; main()"]
    process = subprocess.Popen([*code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 500
    try:
        while not reached():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()


def test_a_first_start_that_is_killed_goes_on_and_leaves_a_users_own_model_alone(model, tmp_path):
    made, store = tmp_path / "models" / "default", tmp_path / "stores" / "default"
    invented = store.parent / "first-start"
    invented.mkdir(parents=True)
    synthetic.tweets(240, seed=1).write_csv(invented / "labelled.csv")
    synthetic.tweets(150, seed=2, planted=False).drop("label").write_csv(invented / "stream.csv")
    start = ("first-start", "--model", made, "--store", store)
    checkpoints = "default.first-start/default.training/final/checkpoint-*/trainer_state.json"
    killed_when(lambda: list(made.parent.glob(checkpoints)), *start)
    killed_when((store / "store.json").exists, *start)  # trained and exported, not classified
    assert not made.exists()
    done = camembias(*start)
    assert done.returncode == 0, done.stderr
    assert rows(store, "predictions").height == 150
    assert rows(store, "models")["name"].to_list() == ["default"]
    assert bundle.load(made).name == "default"
    assert list(made.parent.iterdir()) == [made]
    shutil.copytree(model, tmp_path / "mine")
    for there, said in ((made, "is there"), (tmp_path / "mine", "is there"), (invented, "name a new folder")):
        again = camembias("first-start", "--model", there, "--store", tmp_path / "none")
        assert said in again.stdout + again.stderr
    assert not (tmp_path / "none").exists()


def test_shuffling_the_stream_changes_no_label(model, stream, tmp_path):
    tweets = pl.read_csv(stream, schema_overrides={"tweet_id": pl.String}).head(5000)
    found = []
    for seed in (None, 1):
        path, store = tmp_path / f"{seed}.parquet", tmp_path / f"store-{seed}"
        (tweets if seed is None else tweets.sample(fraction=1, shuffle=True, seed=seed)).write_parquet(path)
        assert camembias("classify", model, path, "--store", store).returncode == 0
        found.append(rows(store, "predictions").select("tweet_id", "label").sort("tweet_id"))
    assert found[0].equals(found[1])


def test_classify_explain_ask_and_report(model, stream, tmp_path):
    store = tmp_path / "store"
    assert camembias("classify", model, stream, "--store", store).returncode == 0
    with queue_and_worker(model, store, tmp_path / "worker.log") as broker:
        asked = ("explain", "--model", model, "--store", store, "--wait", "--broker-url", broker, "--json")
        first = camembias(*asked, "--sample", 40)
        assert first.returncode == 0, first.stderr + (tmp_path / "worker.log").read_text()
        again = camembias(*asked, "--sample", 40)
        assert camembias(*asked, "--text", "Le nucléaire, franchement…").returncode == 0
    counts = json.loads(first.stdout)
    assert counts["explained"] == counts["tweets"] * len(LABELS)
    assert counts["failed"] == 0
    assert json.loads(again.stdout)["tweets"] == 0  # what is explained is not explained twice
    measured = camembias("explain-quality", "--model", model, "--store", store, "--sample", 20, "--json")
    assert measured.returncode == 0, measured.stderr
    rows_ = {(row["measure"], row["variant"]): row for row in json.loads(measured.stdout)}
    assert rows_["comprehensiveness", "difference"]["low"] > 0  # better than a random order, beyond chance
    assert rows_["sufficiency", "difference"]["high"] < 0
    edited = ("effects", "--model", model, "--store", store, "--top", 1, "--tweets", 5, "--word", "🌻", "--json")
    first, again = (json.loads(camembias(*edited).stdout) for _ in range(2))
    assert first["edits"] > 0 < first["controls"]
    assert (again["edits"], again["skipped"]) == (0, first["words"])  # what is measured is not measured twice
    fewer = json.loads(camembias(*edited, "--tweets", 2).stdout)
    assert (fewer["edits"], fewer["skipped"]) == (0, first["words"])  # and is not thrown away for less
    verdicts = json.loads(
        camembias("query", "verdicts", "--store", store, "--format", "json", "--param", "top=").stdout
    )
    assert {row["verdict"] for row in verdicts} <= {*findings.VERDICTS} - {"weak"}
    for arguments in (
        ("query", "label_shares"),
        ("query", "unseen_words", "--param", "kind=word"),
        ("query", "explanation_quality"),
        ("query", "word_label", "--param", "min_tweets=2"),
        ("status",),
        ("doctor",),
    ):
        done = camembias(*arguments, "--store", store)
        assert done.returncode == 0, done.stderr
    assert camembias("report", "--store", store, "--out", tmp_path / "report.html").returncode == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "décroissance" in page
    assert "<script src" not in page


def bad_inputs(model: Path, folder: Path) -> dict[str, tuple[tuple[object, ...], str]]:
    def file(name: str, text: str) -> Path:
        (folder / name).write_text(text, encoding="utf-8")
        return folder / name

    one = "tweet_id,text,label\n" + "".join(f"{i},texte {i},{'a' if i else 'b'}\n" for i in range(9))
    two = "tweet_id,text,label\n" + "".join(f"{i},texte {i},{'ab'[i % 2]}\n" for i in range(20))
    store = folder / "store"
    lost = ("--out", folder / "hub", "--base-model", folder / "nowhere")
    new = ("--out", folder / "new", "--base-model", "tiny")
    return {
        "missing column": (("classify", model, file("m.csv", "id,body\n1,x\n"), "--store", store), "no column 'text'"),
        "empty file": (("classify", model, file("e.csv", ""), "--store", store), "is empty"),
        "no file": (("classify", model, folder / "none.csv", "--store", store), "no file"),
        "no store": (("query", "label_shares", "--store", folder / "nostore"), "no store at"),
        "unknown query": (("query", "nope"), "no query 'nope'"),
        "one example": (("train", file("o.csv", one), *new), "label 'b' has 1 example"),
        "unknown label": (("train", file("u.csv", one), *new, "--drop-label", "zz"), "has no label 'zz'"),
        "no json": (("train", file("n.json", "{oops"), *new), "cannot be read"),
        "unreachable model": (("train", file("h.csv", two), *lost), "cannot load base model"),
        "too few": (("explain-quality", "--sample", 1), "at least 2"),
        "no model": (("export", folder / "nomodel"), "not a complete model bundle"),
    }  # fmt: skip


def test_bad_input_is_one_line_and_exit_code_2(model, tmp_path):
    cases = bad_inputs(model, tmp_path)
    with ThreadPoolExecutor(2) as pool:  # most of their time is spent importing
        answers = list(pool.map(lambda case: camembias(*case[0]), cases.values()))
    for (name, (_, expected)), done in zip(cases.items(), answers, strict=True):
        assert done.returncode == 2, (name, done.stdout, done.stderr)
        assert expected in done.stderr, (name, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1, (name, done.stderr)
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "new").exists()


def test_rows_that_cannot_be_used_are_kept_with_line_and_reason(model, tmp_path):
    body = b"tweet_id,text\r\n1,bonjour\r\n2,\r\n,sans id\r\n4,a,b\r\n1.2e+18,arrondi\r\n6,\xff\xfe\r\n"
    body += b'7,"deux\nlignes"\r\n1,encore\r\n'
    (tmp_path / "odd.csv").write_bytes(b"\xef\xbb\xbf" + body)
    done = camembias("classify", model, tmp_path / "odd.csv", "--store", tmp_path / "store", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["rows"], counts["classified"], counts["rejects"]) == (8, 2, 6)
    rejects = stores.open_existing(tmp_path / "store").scan("rejects").sort("line").collect()
    assert rejects["line"].to_list() == [3, 4, 5, 6, 7, 10]
    assert rejects["reason"].to_list()[:2] == ["no text", "no id"]


def test_a_store_of_another_model_and_a_mixed_bundle_are_refused(model, stream, tmp_path):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(model, other)
    (other / "onnx" / "model.onnx").write_bytes(b"from elsewhere")
    done = camembias("classify", other, stream, "--store", tmp_path / "store")
    assert done.returncode == 2
    assert "is not the file the manifest describes" in done.stderr
    stores.create(tmp_path / "foreign")
    done = camembias("explain", "--model", model, "--store", tmp_path / "foreign", "--sample", 5)
    assert done.returncode == 2
    assert "no predictions of model" in done.stderr


def test_a_training_tweet_is_found_by_its_id_and_erased(model, tmp_path):
    copy, store = tmp_path / "model", stores.create(tmp_path / "store")
    shutil.copytree(model, copy)
    store.register_model(bundle.load(copy))
    one = pl.read_csv(model.parents[1] / "labelled.csv", infer_schema=False)["tweet_id"][0]
    before = pl.read_parquet(copy / "training_words.parquet")
    done = camembias("forget", one, "--store", store.root, "--model", copy, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["rows"], answer["training_words"]) == ({"training_words": 1}, 1)
    bundle.load(copy)  # every checksum is right
    assert len(pl.read_parquet(copy / "training_words.parquet")) == len(before) - 1
