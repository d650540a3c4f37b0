"""Forgetting a tweet: nothing of it is left anywhere in the store, its neighbours stay, and it does not come back."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from camembias import attempts, bundle, catalog, copies, proof, sqlfiles, tombstones, training_words
from camembias import forget as stage
from camembias import store as stores
from camembias.bundle import Bundle
from camembias.cli import app
from camembias.errors import BundleError, InputError
from camembias.requests import How, ask_text, ask_tweets
from camembias.schemas import TABLES
from camembias.store import Store
from camembias.text import text_hash
from tests.sql.conftest import DAY, design, prediction, put, tweet

ID, LONGER = "1234567890123456789", "12345678901234567890"  # the one is the beginning of the other
TEXT = 'Je prends "l\'avion" à 7 h pour Nîmes, @voisin 🚄'
OTHER = "Un tout autre tweet sur le train de nuit"
SALT = "00ff"


def words(text: str) -> list[dict[str, Any]]:
    return [{"word": one.lower(), "surface": one, "start": 0, "stop": len(one), "score": 0.25} for one in text.split()]


def fill(store: Store) -> None:
    """Both tweets in every table, and in every other place that can hold one."""
    both = [(ID, TEXT), (LONGER, OTHER)]
    labels = [{"label": name, "logit": 0.5, "p": 0.5} for name in ("avion", "viande")]
    put(store, "tweets", "p1", [tweet(one, text, text_hash=text_hash(text)) for one, text in both])
    put(store, "tweets", "p2", [tweet(ID, TEXT[:30], text_hash="x")])
    put(store, "predictions", "p1", [prediction(one, "avion", scores=labels) for one, _ in both])
    put(store, "designs", "d", [design("d", "ig")])
    put(store, "draws", "d", [{"design_id": "d", "tweet_id": one, "key": "all", "pi": 1.0} for one, _ in both])
    asked = {"model_version": "m1", "targets": ["avion"], "method": "ig", "baseline": "mask", "requested_at": DAY}
    for batch, ids in (("b1", [ID, LONGER]), ("b2", [ID])):
        put(store, "requests", batch, [asked | {"batch": batch, "tweet_id": one} for one in ids])
        put(store, "request_texts", batch, [{"batch": batch, "tweet_id": one, "text": dict(both)[one]} for one in ids])
        with attempts.holding(store, batch) as trail:
            trail.begin("w")
            for one in ids:
                trail.trying(one)
    row = {"batch": "b1", "model_version": "m1", "target": "avion", "method": "ig", "baseline": "mask"}
    row |= {"logit": 1.0, "logit_baseline": 1.0, "delta": 0.0, "special_score": 0.0, "converged": True}
    explained = [row | {"tweet_id": one, "words": words(text), "computed_at": DAY} for one, text in both]
    explained += [explained[0] | {"tweet_id": f"text-{text_hash(TEXT)}"}]  # somebody asked for the bare text
    put(store, "explanations", "b1", explained)
    put(store, "failures", "b1", [{"batch": "b1", "tweet_id": ID, "model_version": "m1", "error": f"on '{ID}'"}])
    edit = {"model_version": "m1", "serving_version": "v1", "word": "avion", "role": "candidate", "edit": "delete"}
    put(store, "effects", "e", [edit | {"tweet_id": one, "before": labels, "after": labels} for one, _ in both])
    counted = {"recount": "c", "words": ["avion"], "others": [], "label": "avion", "label_without": "viande"}
    put(store, "coded", "current", [{"tweet_id": one, "label": "avion"} for one, _ in both])
    put(store, "recounted", "c", [counted | {"tweet_id": one} for one, _ in both])
    raws = [f"{ID},too,many,fields", f"\t{ID}", TEXT.replace("'", "’"), f"x {LONGER}", f"2024-{ID}", "kept"]
    put(
        store, "rejects", "p1", [{"source": "s", "line": at, "reason": "no", "raw": raw} for at, raw in enumerate(raws)]
    )
    manifest = json.dumps({"training_salt": SALT})
    put(store, "models", "v1", [{"model_version": "m1", "serving_version": "v1", "labels": ["avion", "viande"],
                                 "manifest": manifest, "seen_at": DAY}])  # fmt: skip
    trained = [
        {"model_version": "m1", "tweet": training_words.hashed(SALT, one), "label": "avion", "words": [text.lower()]}
        for one, text in both
    ]
    put(store, "training_words", "m1", trained)
    with stores.running(store, "explain", {"tweet": [ID, LONGER], "text": TEXT}):
        pass
    (store.root / "tweets" / "p3.parquet.1.tmp").write_text(f"{ID} of a job that was killed")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = stores.create(tmp_path / "store")
    fill(made)
    catalog.refresh(made)
    return made


def everything(store: Store) -> str:
    """All that can be read in the store, in the plainest way there is."""
    told = [repr(pl.read_parquet(path).to_dicts()) for path in sorted(store.root.rglob("*.parquet"))]
    told += [repr(frame.to_dicts()) for _, frame in catalog.tables_of(store.catalog)]
    told += [path.read_text("utf-8", "replace") for path in sorted(store.root.rglob("*")) if path.is_file()]
    return "\n".join(told).replace(LONGER, "")


def run(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["forget", *map(str, arguments), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    answer: dict[str, Any] = json.loads(done.output)
    return answer


def test_nothing_is_left_and_the_neighbours_stay(store: Store) -> None:
    assert ID in everything(store)
    before = {table: len(store.scan(table).collect()) for table in TABLES}
    answer = run(ID, "--store", store.root)
    assert store.scan("rejects").collect()["raw"].to_list() == [f"x {LONGER}", "kept"]
    left = everything(store)
    assert ID not in left
    assert "Nîmes" not in left
    assert training_words.hashed(SALT, ID) not in left
    assert answer["left"] == []
    assert answer["forgotten"] == sorted([ID, *(f"text-{text_hash(text)}" for text in (TEXT, TEXT[:30]))])
    gone = {"tweets": 2, "predictions": 1, "draws": 1, "requests": 2, "request_texts": 2, "explanations": 2,
            "explanation_index": 2, "failures": 1, "effects": 1, "recounted": 1, "coded": 1, "rejects": 4,
            "training_words": 1, "runs": 1}  # fmt: skip
    assert answer["rows"] == gone
    after = {table: len(store.scan(table).collect()) for table in TABLES}
    changed = {table: before[table] - after[table] for table in TABLES if before[table] != after[table]}
    assert changed == {table: count for table, count in gone.items() if table != "runs"} | {"tombstones": -3}
    assert catalog.run_query(store, sqlfiles.query("label_shares"))["tweets"].to_list() == [1, 0]
    assert catalog.run_sql(store, "SELECT text FROM tweets")["text"].to_list() == [OTHER]
    assert json.loads(store.scan("runs").collect()["arguments"][0]) == {
        "tweet": ["forgotten", LONGER],
        "text": "forgotten",
    }
    with attempts.holding(store, "b1") as trail:
        assert [line.get("tweet") for line in trail.lines] == [None, LONGER]
    assert not store.has_part("requests", "b2"), "a part that is empty is removed"


def test_the_search_finds_the_tweet_in_every_place_that_can_hold_it(store: Store) -> None:
    places = proof.search(store.root, [ID], [TEXT]).places
    tables = {place.split("/")[0] for place in places}
    assert tables == {"tweets", "predictions", "draws", "requests", "request_texts", "attempts", "explanations",
                      "explanation_index", "failures", "effects", "recounted", "coded", "rejects", "runs"}  # fmt: skip
    assert proof.search(store.root, [ID[:-1]], [TEXT + "!"]).places == []
    copy = catalog.snapshot(store, store.root.parent / "copy.duckdb")
    found = {place.partition(": ")[2] for place in proof.search(copy, [ID], []).places} - {""}
    assert found == {
        "tweets",
        "predictions",
        "draws",
        "requests",
        "explanations",
        "explanation_index",
        "failures",
        "effects",
        "recounted",
        "coded",
        "rejects",
        "runs",
    }
    page = store.root.parent / "page.html"
    page.write_text("<p>Je prends &quot;l&#x27;avion&quot; à 7 h pour Nîmes, @voisin 🚄", encoding="utf-8")
    assert proof.search(page, [], [TEXT]).places == ["page.html"]


def test_a_file_is_unpacked_whatever_its_name(store: Store, tmp_path: Path) -> None:
    catalog.snapshot(store, tmp_path / "backup.db")
    assert "backup.db: tweets" in proof.search(tmp_path / "backup.db", [ID], []).places
    shutil.copy(store.part("tweets", "p1"), tmp_path / "part")
    assert "part: tweet_id" in proof.search(tmp_path / "part", [ID], []).places
    page = "<p>Je prends &quot;l&#x27;avion&quot; à 7 h pour Nîmes, @voisin 🚄"
    (tmp_path / "rapport.htm").write_text(page, encoding="utf-8")
    assert proof.search(tmp_path / "rapport.htm", [], [TEXT]).places == ["rapport.htm"]


def test_what_a_job_is_writing_is_searched_as_it_lies_there(store: Store) -> None:
    whole = store.part("tweets", "p1").read_bytes(), store.catalog.read_bytes()
    for name, body in zip(("tweets/p9.parquet.7.tmp", "audit.duckdb.7.tmp"), whole, strict=True):
        (store.root / name).write_bytes(body[: len(body) // 2] + ID.encode())
    places = proof.search(store.root, [ID], []).places
    assert {"tweets/p9.parquet.7.tmp", "audit.duckdb.7.tmp"} <= set(places)


def test_what_killed_jobs_had_spilled_goes_too(store: Store) -> None:
    for folder in ("audit.duckdb.tmp", "audit.duckdb.7.tmp.tmp"):
        (store.root / folder).mkdir()
        (store.root / folder / "duckdb_temp_storage_DEFAULT-0.tmp").write_text(TEXT)
        (store.root / folder / "duckdb_temp_block-1.block").write_text(ID)
    assert run(ID, "--store", store.root)["left"] == []
    assert list(store.root.rglob("*.tmp*")) == []


def test_a_part_from_before_a_column_existed_loses_the_tweet_too(store: Store) -> None:
    part = store.part("effects", "e")
    pl.read_parquet(part).drop("companions").write_parquet(part)
    run(ID, "--store", store.root)
    assert store.read("effects", "e").select("tweet_id", "companions").rows() == [(LONGER, None)]


def test_a_forgotten_tweet_does_not_come_back(store: Store, tiny_bundle: Bundle) -> None:
    run(ID, "--store", store.root)
    fill(store)  # delivered, asked for and written again, by whatever means
    places = proof.search(store.root, [ID], [TEXT]).places
    assert {place.split("/")[0] for place in places} == {"runs", "attempts", "tweets"}
    assert [place for place in places if place.startswith("tweets")] == ["tweets/p3.parquet.1.tmp"]
    assert store.scan("tweets").collect()["tweet_id"].to_list() == [LONGER]
    with pytest.raises(InputError, match="forgotten"):
        ask_text(store, tiny_bundle, TEXT, How(tiny_bundle.labels.names))
    with pytest.raises(InputError, match="forgotten"):
        ask_tweets(store, tiny_bundle, [ID], How(tiny_bundle.labels.names))
    assert run(ID, "--store", store.root)["left"] == []


def test_a_tweet_that_was_never_stored_is_kept_out_too(store: Store) -> None:
    answer = run("77", "--store", store.root)
    assert (answer["rows"], answer["left"]) == ({}, [])
    put(store, "tweets", "new", [tweet("77", "nouveau"), tweet("78", "nouveau")])
    assert store.read("tweets", "new")["tweet_id"].to_list() == ["78"]


def test_other_tweets_with_the_text_are_told_and_forgotten_only_when_asked(store: Store) -> None:
    put(store, "tweets", "rt", [tweet("99", f"RT @moi: {TEXT}")])
    answer = run(ID, "--store", store.root)
    assert (answer["other_tweets_with_the_text"], answer["texts_searched"]) == (["99"], 0)
    assert "99" in store.scan("tweets").collect()["tweet_id"].to_list()
    again = run("99", ID, "--store", store.root)
    assert (again["left"], again["rows"]) == ([], {"tweets": 1})
    put(
        store, "tweets", "one", [tweet("5", "Encore un texte assez long"), tweet("6", "RT: Encore un texte assez long")]
    )
    assert run("5", "--same-text", "--store", store.root)["rows"] == {"tweets": 2}


def test_snapshots_are_listed_and_reports_written_again(store: Store, tmp_path: Path) -> None:
    snapshot, report, gone = tmp_path / "copy.duckdb", tmp_path / "report.html", tmp_path / "gone.duckdb"
    for arguments in (["snapshot", snapshot], ["snapshot", gone], ["report", "--out", report]):
        done = CliRunner().invoke(app, [*map(str, arguments), "--store", str(store.root)])
        assert done.exit_code == 0, done.output
    gone.unlink()
    report.write_text(report.read_text(encoding="utf-8") + ID, encoding="utf-8")  # whatever a report may show
    answer = run(ID, "--store", store.root)
    states = {(one["kind"], Path(one["file"]).name): one["state"] for one in answer["copies"]}
    assert states == {("snapshot", "copy.duckdb"): copies.HOLDS, ("snapshot", "gone.duckdb"): copies.AWAY,
                      ("report", "report.html"): copies.AGAIN}  # fmt: skip
    assert ID not in report.read_text(encoding="utf-8")


def test_a_short_id_that_is_also_a_word_can_be_forgotten(store: Store) -> None:
    rows = [{"tweet_id": "50", "text": "Un train de 50 ans", "source": "s", "seen_at": stores.now()}]
    store.write("tweets", "short", pl.DataFrame(rows, schema=TABLES["tweets"]))
    words = [{"label": "avion", "word": "50"}]
    store.write("concepts", "short", pl.DataFrame(words, schema=TABLES["concepts"]))
    assert run("50", "--store", store.root)["left"] == []
    marks = [{"design_id": "d", "tweet_id": "50", "key": "k", "pi": 1.0}]
    store.replace("draws", "left", pl.DataFrame(marks, schema=TABLES["draws"]))  # as `write` would not
    assert proof.search(store.root, {"50"}, []).places == ["draws/left.parquet: tweet_id"]


def test_what_now_lies_where_a_report_was_is_left_as_it_is(store: Store, tmp_path: Path) -> None:
    reused, page = tmp_path / "mine.csv", tmp_path / "report.html"
    for target in (reused, page):
        done = CliRunner().invoke(app, ["report", "--out", str(target), "--store", str(store.root)])
        assert done.exit_code == 0, done.output
    page.write_text(page.read_text(encoding="utf-8") + ID, encoding="utf-8")
    reused.write_text(f"tweet_id\n{ID}\n")
    shutil.copytree(store.root, tmp_path / "copy")
    states = [one["state"] for one in run(ID, "--store", tmp_path / "copy")["copies"]]
    assert states == [copies.OTHER, copies.OTHER]  # the page is of the store that was copied
    assert ID in page.read_text(encoding="utf-8")
    assert [one["state"] for one in run(ID, "--store", store.root)["copies"]] == [copies.OTHER, copies.AGAIN]
    assert reused.read_text() == f"tweet_id\n{ID}\n"


def test_a_report_without_texts_is_written_again_without_texts(store: Store, tmp_path: Path) -> None:
    pages = {name: tmp_path / f"{name}.htm" for name in ("full", "bare", "untold")}
    for name, page in pages.items():
        more = ["--no-text"] if name == "bare" else []
        done = CliRunner().invoke(app, ["report", "--out", str(page), "--store", str(store.root), *more])
        assert done.exit_code == 0, done.output
        page.write_text(page.read_text(encoding="utf-8") + ID, encoding="utf-8")  # whatever a report may show
    for part in store.part_names("runs"):
        rows = store.read("runs", part)
        if "untold" in rows["arguments"][0]:
            told = pl.lit(json.dumps({"file": str(pages["untold"]), "lang": "en"}))
            store.write("runs", part, rows.with_columns(arguments=told))
    answer = run(ID, "--store", store.root)
    assert [one["state"] for one in answer["copies"]] == [copies.AGAIN] * 3
    bare = {name: "their ids are left out" in page.read_text(encoding="utf-8") for name, page in pages.items()}
    assert bare == {"full": False, "bare": True, "untold": True}


def test_training_words_leave_the_bundle_and_its_checksum_is_renewed(tiny_bundle: Bundle, tmp_path: Path) -> None:
    target = tmp_path / "model"
    shutil.copytree(tiny_bundle.layout.root, target)
    with pytest.raises(BundleError, match="train it again"):
        training_words.forget(bundle.load(target), [ID])
    layout = bundle.Layout(target)
    rows = [{"tweet": training_words.hashed(SALT, one), "label": "viande", "words": ["mot"]} for one in (ID, LONGER)]
    schema = {name: kind for name, kind in TABLES["training_words"].items() if name != "model_version"}
    pl.DataFrame(rows, schema=schema).write_parquet(layout.training_words)
    bundle.seal(layout, dataclasses.replace(tiny_bundle.manifest, training_salt=SALT))
    before = bundle.load(target)
    assert training_words.forget(before, [ID, "unknown"]) == 1
    after = bundle.load(target)  # verifies every checksum
    assert pl.read_parquet(layout.training_words)["tweet"].to_list() == [training_words.hashed(SALT, LONGER)]
    assert dataclasses.replace(after.manifest, files={}) == dataclasses.replace(before.manifest, files={})
    assert training_words.forget(after, [ID]) == 0


def test_jobs_beside_it_lose_nothing_and_bring_nothing_back(store: Store) -> None:
    """Writers and readers at full speed while tweets are forgotten: no error, no forgotten row, every other row."""
    stop, errors, written = threading.Event(), [], []

    def guarded(work: Any) -> None:
        turn = 0
        try:
            while not stop.is_set():
                work(turn)
                turn += 1
        except Exception as err:
            errors.append(err)

    def write(turn: int) -> None:
        put(store, "tweets", f"w{turn}", [tweet(ID, TEXT), tweet(f"new-{turn}", OTHER)])
        put(store, "predictions", f"w{turn}", [prediction(ID, "avion"), prediction(f"new-{turn}", "avion")])
        written.append(f"new-{turn}")

    def read(_: int) -> None:
        assert LONGER in catalog.run_sql(store, "SELECT tweet_id FROM tweets")["tweet_id"].to_list()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (write, read)]
    for thread in threads:
        thread.start()
    while len(written) < 5 and not errors:
        time.sleep(0.01)
    for _ in range(3):
        stage.forget(store, [ID])
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    rows = store.scan("tweets").collect()["tweet_id"].to_list()
    assert ID not in rows
    assert sorted(rows) == sorted([LONGER, *written])
    assert tombstones.forgotten(store, [ID, LONGER]) == {ID}
