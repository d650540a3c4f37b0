"""The sums on arrays are those of the SQL view that says what is summed, whatever the explanations are."""

from __future__ import annotations

import fcntl
from datetime import timedelta
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camembias import blocks, catalog, locks, sums
from camembias import store as stores
from camembias.schemas import TABLES
from camembias.store import Store

LABELS = ("avion", "viande", "autre")
DAY = stores.now()
IN_SQL = """
SELECT model_version, method, baseline, word, label,
    count(*) AS tweets, CAST(sum(occurrences) AS BIGINT) AS occurrences,
    sum(w) AS w, sum(w ** 2) AS w2, sum(w ** 3) AS w3, sum(w ** 4) AS w4,
    sum(v) AS v, sum(v * w) AS vw, sum(v ** 2) AS v2,
    sum(w * score) AS wx, sum(w * score ** 2) AS wxx, sum(w * score ** 3) AS wx3,
    sum(w * score ** 4) AS wx4, sum(w ** 2 * score) AS w2x, sum(w ** 2 * score ** 2) AS w2xx,
    sum(v * score) AS vx, sum(v * score ** 2) AS vxx, sum(w * abs(score)) AS w_abs_x,
    coalesce(sum(w) FILTER (score > 0), 0) AS w_positive, coalesce(sum(w) FILTER (strongest), 0) AS w_strongest,
    sum(w * error) AS we
FROM sampled_word_scores GROUP BY ALL
"""
numbers = st.floats(-3, 3, width=16)
tweets = st.lists(
    st.tuples(st.lists(st.sampled_from(["le", "train", "🌻", "l'"]), max_size=6), st.sampled_from([0.25, 1.0])),
    min_size=1,
    max_size=8,
)


def put(into: Store, table: str, name: str, rows: list[dict[str, Any]]) -> None:
    into.write(table, name, pl.DataFrame(rows, schema=TABLES[table]))


def explanation(tweet: str, target: str, words: list[tuple[str, float]], batch: str, age: int = 0) -> dict[str, Any]:
    listed = [
        {"word": w, "surface": w, "start": 5 * i, "stop": 5 * i + 4, "score": s} for i, (w, s) in enumerate(words)
    ]
    row = {
        "tweet_id": tweet,
        "target": target,
        "words": listed,
        "batch": batch,
        "delta": 0.0,
        "converged": True,
        "label": "avion",
    }
    row |= {"model_version": "m", "method": "ig", "baseline": "mask"}
    return {**row, "computed_at": DAY - timedelta(days=age)}


def fill(made: Store, found: list[tuple[list[str], float]], scores: list[float]) -> None:
    """Every tweet is drawn: its permanent number is never looked at by what is tested here."""
    dice = iter(scores * 200)
    for number, (words, _) in enumerate(found):
        for target in LABELS:
            rows = [explanation(f"t{number}", target, [(word, next(dice)) for word in words], f"b{number % 2}")]
            put(made, "explanations", f"e{number}-{target}", rows)
    put(
        made,
        "draws",
        "d",
        [{"design_id": "d", "tweet_id": f"t{n}", "key": "k", "pi": pi} for n, (_, pi) in enumerate(found)],
    )
    design = {"design_id": "d", "model_version": "m", "serving_version": "v", "method": "ig", "baseline": "mask"}
    put(made, "designs", "d", [{**design, "seed": "s", "rates": [], "created_at": DAY}])
    put(made, "models", "v", [{"model_version": "m", "serving_version": "v", "labels": LABELS, "seen_at": DAY}])


def both(made: Store) -> tuple[pl.DataFrame, pl.DataFrame]:
    catalog.refresh(made)
    sql = (IN_SQL, "SELECT * EXCLUDE kind FROM word_label_sums WHERE kind <> 'kind'")
    wanted, found = (catalog.run_sql(made, one).sort("word", "label") for one in sql)
    return wanted, found.select(wanted.columns)


def same(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    names = [name for name, dtype in left.schema.items() if dtype == pl.Float64()]
    exact = [name for name in left.columns if name not in names]
    if not left.select(exact).cast(pl.String()).equals(right.select(exact).cast(pl.String())):
        return False
    return all(left[name].to_list() == pytest.approx(right[name].to_list(), abs=1e-6) for name in names)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tweets, st.lists(numbers, min_size=5, max_size=12))
def test_arrays_and_sql_agree(tmp_path_factory, found, scores) -> None:
    made = stores.create(tmp_path_factory.mktemp("s") / "store")
    fill(made, found, scores)
    assert same(*both(made))


@pytest.fixture
def made(tmp_path) -> Store:
    store = stores.create(tmp_path / "store")
    fill(store, [(["le", "train", "le"], 1.0), (["train"], 0.25), (["🌻", "le"], 1.0)], [0.5, -1.0, 2.0, 0.25])
    return store


def test_what_has_not_changed_is_not_read_again(made, monkeypatch) -> None:
    catalog.refresh(made)
    names = made.part_names("sums")
    monkeypatch.setattr(sums, "summed", None)  # a call would raise
    catalog.refresh(made)
    assert made.part_names("sums") == names


@pytest.mark.parametrize("block", [1, 2])
def test_totals_of_blocks_follow_what_changes_in_them(made, monkeypatch, block) -> None:
    monkeypatch.setattr(blocks, "BLOCK", block)
    assert same(*both(made))
    for name in ("t3", "t4"):
        rows = [explanation(name, target, [("le", 1.0 * n)], "b5") for n, target in enumerate(LABELS)]
        put(made, "explanations", name, rows)
        put(made, "draws", name, [{"design_id": "d", "tweet_id": name, "key": "k", "pi": 0.5}])
        assert same(*both(made))
    put(made, "draws", "raised", [{"design_id": "d", "tweet_id": "t0", "key": "k", "pi": 0.75}])
    old, new = both(made)
    assert same(old, new)
    assert new.filter(word="le", label="avion")["tweets"].to_list() == [4]


def test_folders_named_like_columns_say_nothing_about_sums(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1)
    store = stores.create(tmp_path / "word=le" / "label=avion" / "store")
    fill(store, [(["le"], 1.0), (["train"], 0.25), (["🌻", "le"], 1.0)], [0.5, -1.0, 2.0, 0.25])
    assert same(*both(store))


def test_scores_of_a_block_that_is_gone_are_removed_though_a_refresh_died_before(made) -> None:
    catalog.refresh(made)
    (name,) = made.part_names("edited_scores")
    made.part("edited_scores", "of-a-block-that-is-gone").write_bytes(made.part("edited_scores", name).read_bytes())
    catalog.refresh(made)
    assert made.part_names("edited_scores") == [name]


def test_an_explanation_made_again_replaces_its_sums(made) -> None:
    catalog.refresh(made)
    before = made.part_names("sums")
    rows = [explanation("t1", target, [("seul", 9.0 * n)], "again", age=-1) for n, target in enumerate(LABELS)]
    put(made, "explanations", "again", rows)
    old, new = both(made)
    assert same(old, new)
    assert new.filter(word="seul").select("label", "w", "wx").rows() == [
        ("autre", 4.0, 36.0),
        ("avion", 4.0, -36.0),
        ("viande", 4.0, 0.0),
    ]
    assert len(made.part_names("sums")) == len(before)
    assert made.part_names("sums") != before


def test_a_kind_has_the_scores_of_its_words_added_up(tmp_path) -> None:
    made = stores.create(tmp_path / "store")
    fill(made, [(["#a", "le", "#b"], 1.0), (["#concept", "le"], 1.0), (["#a", "#a", "#concept"], 0.5)], [0.0])
    for number, (words, scores) in enumerate(
        [
            (["#a", "le", "#b"], [1.0, 5.0, 0.5]),
            (["#concept", "le"], [9.0, 1.0]),
            (["#a", "#a", "#concept"], [2.0, 1.0, 9.0]),
        ]
    ):
        for target in LABELS:
            listed = list(zip(words, scores if target == "avion" else [0.0] * len(words), strict=True))
            put(made, "explanations", f"e{number}-{target}", [explanation(f"t{number}", target, listed, "b")])
    put(made, "concepts", "c", [{"label": "avion", "word": "#concept"}])
    catalog.refresh(made)
    asked = "SELECT label, tweets, occurrences, w, wx, w_strongest FROM word_label_sums WHERE word = '<hashtag>'"
    asked += " ORDER BY label"
    # centred: two thirds of what the words of avion have; the third tweet stands for two
    assert [tuple(pytest.approx(one) if isinstance(one, float) else one for one in row)
            for row in catalog.run_sql(made, asked).rows()] == [
        ("autre", 2, 4, 3.0, -(1.5 + 2 * 3.0) / 3, 0.0),
        ("avion", 2, 4, 3.0, (1.5 + 2 * 3.0) * 2 / 3, 0.0),
        ("viande", 2, 4, 3.0, -(1.5 + 2 * 3.0) / 3, 0.0),
    ]  # fmt: skip
    before = made.part_names("sums")
    put(made, "concepts", "c", [{"label": "avion", "word": "autre"}])
    catalog.refresh(made)
    assert made.part_names("sums") != before
    assert catalog.run_sql(made, asked)["tweets"].to_list() == [3, 3, 3]


def test_a_design_that_raises_a_probability_is_seen(made) -> None:
    catalog.refresh(made)
    put(
        made,
        "designs",
        "e",
        [{"design_id": "e", "model_version": "m", "method": "ig", "baseline": "mask", "seed": "s"}],
    )
    put(made, "draws", "e", [{"design_id": "e", "tweet_id": "t1", "key": "k", "pi": 0.5}])
    old, new = both(made)
    assert same(old, new)
    assert set(new.filter(word="train").select("w", "w2").rows()) == {(2.0 + 1.0, 4.0 + 1.0)}


def test_a_tweet_whose_labels_disagree_on_words_is_left_out(made) -> None:
    rows = [explanation("t0", "avion", [("autre", 1.0)], "again", age=-1)]
    put(made, "explanations", "again", rows)
    old, new = both(made)
    assert same(old, new)
    assert "le" in set(new["word"])
    assert new.filter(word="le")["tweets"].max() == 1


def test_copies_of_a_text_are_one_observation(made) -> None:
    """Forty retweets of one tweet weigh as forty tweets, and say how a word varies no better than one."""
    for name in ("c1", "c2"):
        rows = [
            {**explanation(name, target, [("copie", float(n))], f"b-{name}"), "text_hash": "h"}
            for n, target in enumerate(LABELS)
        ]
        put(made, "explanations", name, rows)
    drawn = [{"design_id": "d", "tweet_id": name, "key": "k", "pi": pi} for name, pi in (("c1", 0.25), ("c2", 0.5))]
    put(made, "draws", "copies", drawn)
    old, new = both(made)
    assert same(old, new)
    assert new.filter(word="copie", label="avion").select("w", "v", "tweets", "wx").rows() == [
        (6.0, 12.0 + 2.0, 1, -6.0)
    ]
    sql = "SELECT tweets, corpus_tweets, mean_score, se_tweet FROM word_label_reliance WHERE word = 'copie'"
    assert set(catalog.run_sql(made, sql).rows()) == {(1, 6.0, mean, None) for mean in (-1.0, 0.0, 1.0)}
    before = made.part_names("sums")
    put(made, "draws", "raised", [{"design_id": "d", "tweet_id": "c2", "key": "k", "pi": 1.0}])
    assert same(*both(made))
    assert made.part_names("sums") != before  # the weight of a text changes with each of its copies


@pytest.mark.timeout(60)
def test_a_refresh_ends_while_somebody_waits_to_have_the_store_alone(made, monkeypatch) -> None:
    read = sums.read

    def somebody_comes(parts):
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return read(parts)

    monkeypatch.setattr(sums, "read", somebody_comes)
    with locks.opened(locks._gate(made.root / "store.json")) as gate:
        catalog.refresh(made)
    assert made.part_names("sums")


def test_a_tweet_explained_while_a_snapshot_is_made_is_in_none_of_its_tables(made, monkeypatch, tmp_path) -> None:
    put(made, "draws", "late", [{"design_id": "d", "tweet_id": "late", "key": "k", "pi": 1.0}])
    copy = catalog._copy_facts

    def meanwhile(connection):
        copy(connection)  # the first time, explanations are among the facts
        rows = [explanation("late", target, [("tard", float(n))], "b9") for n, target in enumerate(LABELS)]
        put(made, "explanations", "late", rows)

    monkeypatch.setattr(catalog, "_copy_facts", meanwhile)
    with duckdb.connect(str(catalog.snapshot(made, tmp_path / "snapshot.duckdb"))) as connection:
        for table in ("explanations", "sampled_tweets", "sampled_texts"):
            assert connection.sql(f"SELECT DISTINCT tweet_id FROM {table} ORDER BY ALL").fetchall() == [
                ("t0",),
                ("t1",),
                ("t2",),
            ]
        assert connection.sql("SELECT * FROM word_label_sums WHERE word = 'tard'").fetchall() == []
