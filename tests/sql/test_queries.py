"""Answers of every query, compared with numbers worked out by hand; see conftest.py for the store."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from math import log2, sqrt
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from camembias import catalog, sqlfiles, store, text
from camembias.cli import app
from camembias.errors import InputError, QueryError
from camembias.report import sections
from camembias.report.wording import Wording
from camembias.store import Store

from .conftest import DAY, LATER, TEXTS, design, explanation, prediction, put, tweet

Spoil = Callable[[str, list[dict[str, Any]]], dict[str, int]]


def ask(of: Store, name: str, **values: str) -> list[tuple[Any, ...]]:
    return catalog.run_query(of, sqlfiles.query(name), values).rows()


def close(*values: Any) -> Any:
    return pytest.approx(values, abs=1e-6)


def test_label_shares_count_a_tweet_once_and_follow_the_latest_classification(good_store: Store) -> None:
    avion, viande = ask(good_store, "label_shares")
    # Wilson by hand for 3 of 5: centre (0.6 + 3.8416/10) / 1.76832, half width below
    assert avion[:3] == ("v1", "avion", 3)
    half = 1.96 * sqrt(0.6 * 0.4 / 5 + 3.8416 / 100) / 1.76832
    centre = 0.98416 / 1.76832
    assert avion[3:] == close(0.6, centre - half, centre + half)
    assert avion[4:] == pytest.approx((0.2307, 0.8824), abs=1e-4)
    assert viande[:4] == ("v1", "viande", 2, pytest.approx(0.4))


def test_label_shares_show_a_label_without_tweets(tmp_path: Path) -> None:
    made = store.create(tmp_path / "s")
    put(made, "predictions", "p", [prediction("t1", "avion")])
    put(made, "models", "v1", [{"model_version": "m1", "serving_version": "v1", "labels": ["avion", "viande"]}])
    catalog.refresh(made)
    assert [row[1:4] for row in ask(made, "label_shares")] == [("avion", 1, 1.0), ("viande", 0, 0.0)]


def test_label_share_drift_has_newcombes_interval(tmp_path: Path) -> None:
    """Newcombe (1998), table II, example a: 56 of 70 against 48 of 80, difference 0.2, method 10: 0.0524 to 0.3339."""
    made = store.create(tmp_path / "s")
    rows = [("old", 48, 32, DAY), ("new", 56, 14, LATER)]
    for run, avion, viande, day in rows:
        labels = ["avion"] * avion + ["viande"] * viande
        put(made, "predictions", run, [
            prediction(f"{run}{at}", label, run_id=run, classified_at=day) for at, label in enumerate(labels)
        ])  # fmt: skip
    put(
        made,
        "predictions",
        "older",
        [prediction("z", "avion", run_id="older", classified_at=datetime(2020, 1, 1, tzinfo=UTC))],
    )
    put(made, "models", "v1", [{"model_version": "m1", "serving_version": "v1", "labels": ["avion", "viande", "x"]}])
    catalog.refresh(made)
    avion, viande, none = ask(made, "label_share_drift")
    assert avion[:5] == ("avion", "v1", "v1", 48, 56)
    assert avion[5:8] == close(0.6, 0.8, 0.2)
    assert avion[8:] == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert viande[0] == "viande"
    assert viande[7:] == close(-0.2, -avion[9], -avion[8])
    assert (none[0], none[3], none[4], none[7]) == ("x", 0, 0, 0.0)
    assert none[8] < 0 < none[9]
    back = ask(made, "label_share_drift", before="new", after="old")[0]
    assert back[7:] == close(-0.2, -avion[9], -avion[8])
    assert ask(made, "label_share_drift", after="old")[0][3:5] == (1, 48)  # with the run before it, not the one after
    assert ask(made, "label_share_drift", before="older")[0][3:5] == (1, 56)
    assert ask(made, "label_share_drift", before="new") == []  # nothing came after it
    assert ask(made, "label_share_drift", after="older") == []
    assert ask(made, "label_share_drift", before="new", after="new") == []
    assert ask(made, "label_share_drift", before="none") == []


def test_diff_names_the_runs_and_refuses_one_that_classified_nothing(good_store: Store) -> None:
    put(good_store, "predictions", "n", [prediction("n1", "viande", run_id="r2", classified_at=LATER)])
    done = CliRunner().invoke(app, ["diff", "r1", "r2", "--store", str(good_store.root), "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.output)
    assert (answer["before"], answer["after"], answer["same_model"]) == ("r1", "r2", True)
    assert [(row["label"], row["tweets_before"], row["tweets_after"]) for row in answer["labels"]] == [
        ("avion", 3, 0),
        ("viande", 2, 1),
    ]
    put(good_store, "units", "u", [{"unit": "u", "serving_version": "v1", "run_id": "r2", "source": "stream.csv"}])
    shown = CliRunner().invoke(app, ["diff", "--store", str(good_store.root)]).output
    assert "after: r2, 1 tweets of stream.csv" in shown
    assert "before: r1, 5 tweets of parts that were merged" in shown
    for arguments, told in ((["r1", "gone"], "'gone'"), (["r1"], "two runs"), (["r1", "r1"], "twice")):
        done = CliRunner().invoke(app, ["diff", *arguments, "--store", str(good_store.root)])
        assert isinstance(done.exception, InputError)
        assert told in str(done.exception)


def test_words_up_sums_a_tweet_first_and_leaves_what_is_no_number_and_partial_ones_out(good_store: Store) -> None:
    rows = ask(good_store, "words_up", label="avion", min_tweets="1")
    assert len(rows) == 1  # le is -0.1 on average, vert and nucléaire are negative
    label, word, kind, tweets, occurrences, *numbers = rows[0]
    assert (label, word, kind, tweets, occurrences) == ("avion", "train", "word", 2, 3)
    assert numbers == [1.0, 1.0, 1.0, 2.0, 1.0]  # 1.0 in t1, 0.5 + 0.5 in t2: no spread
    assert ask(good_store, "words_up") == []  # no word is in five tweets


def test_words_down_mirror_words_up_with_two_labels(good_store: Store) -> None:
    rows = ask(good_store, "words_down", label="avion", min_tweets="1", top="3")
    # le has an interval, and the others of one tweet each have none: they come last, however far they push
    assert [row[1] for row in rows] == ["le", "nucléaire", "vert"]
    assert rows[1][3:6] == close(1, 1, -1.0)
    assert rows[1][6:8] == (None, None)
    le = next(row for row in ask(good_store, "words_up", label="viande", min_tweets="2"))
    # viande: le is -0.1 in t1 and 0.3 in t3: mean 0.1, sd 0.2828, se 0.2
    assert le[1:5] == ("le", "function", 2, 2)
    half = 12.706205 * 0.2  # one degree of freedom
    assert le[5:] == close(0.1, 0.1 - half, 0.1 + half, 0.2, 0.5)


def test_a_word_that_is_sure_to_push_comes_before_one_that_pushed_far_once(
    good_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"u1": (0.9, 0.0), "u2": (1.1, 6.0), "u3": (0.9, 0.0), "u4": (1.1, 6.0), "u5": (1.0, 3.0)}
    made = []
    for key, (sure, unsure) in scores.items():
        monkeypatch.setitem(TEXTS, key, "constant rare")
        made += [explanation(key, "avion", [sure, unsure]), explanation(key, "viande", [-sure, -unsure])]
    put(good_store, "explanations", "u", made)
    put(good_store, "tweets", "u", [tweet(key, "constant rare") for key in scores])
    put(good_store, "concepts", "u", [{"label": "avion", "word": word} for word in ("constant", "rare")])
    put(good_store, "draws", "u", [{"design_id": "d", "tweet_id": key, "key": "all", "pi": 1.0} for key in scores])
    catalog.refresh(good_store)
    # constant: mean 1, half of its interval 2.776 * 0.045; rare: mean 3, half 2.776 * 1.34
    assert [row[1] for row in ask(good_store, "words_up", label="avion")] == ["constant", "rare"]
    assert [row[1] for row in ask(good_store, "words_down", label="viande")] == ["constant", "rare"]
    charts = sections.looked_at(good_store, Wording("en"))["pushes"]  # which are drawn from push to pull
    assert [[row[0] for row in one["table"].rows] for one in charts] == [["rare", "constant"], ["constant", "rare"]]
    found = [row[0] for row in ask(good_store, "verdicts", label="avion")]
    assert found.index("constant") < found.index("rare")  # both are expected; the effect of neither was measured
    for top in range(1, 9):  # examples are of the findings that are shown
        shown = {row[:2] for row in ask(good_store, "verdicts", top=str(top))}
        assert {row[:2] for row in ask(good_store, "finding_examples", top=str(top))} == shown


def test_a_plan_is_printed_as_it_is_drawn(good_store: Store) -> None:
    done = CliRunner().invoke(app, ["sql", "EXPLAIN SELECT 1", "--store", str(good_store.root)])
    assert done.exit_code == 0
    [plan] = catalog.run_sql(good_store, "EXPLAIN SELECT 1")["explain_value"]
    assert plan.count("\n") > 3
    assert done.stdout == plan + "\n"


def test_ngrams_push_towards_a_label_or_away_from_it(good_store: Store) -> None:
    rows = ask(good_store, "ngrams", label="avion", min_tweets="1")
    assert [(row[1], row[2], row[3], row[4]) for row in rows] == [
        ("le train", 2, 1, 1),
        ("train vert train", 3, 1, 1),
        ("train vert", 2, 1, 1),
        ("vert train", 2, 1, 1),
        ("le nucléaire", 2, 1, 1),
    ]
    assert [row[9] for row in rows] == close(1.1, 0.75, 0.25, 0.25, -1.3)
    assert rows[0][7:9] == (None, None)  # one tweet has no interval
    assert [row[1] for row in ask(good_store, "ngrams", label="avion", top="1", min_tweets="1")] == [
        "le train",
        "le nucléaire",
    ]
    assert [row[1] for row in ask(good_store, "ngrams", label="avion", n="3", min_tweets="1")] == ["train vert train"]
    assert ask(good_store, "ngrams") == []


def test_ngrams_weigh_a_tweet_by_what_it_stands_for(tmp_path: Path) -> None:
    made = store.create(tmp_path / "s")
    model = {"model_version": "m1", "serving_version": "v1", "labels": ["avion", "viande"], "seen_at": DAY}
    put(made, "models", "v1", [model])
    put(made, "designs", "d", [design("d", "ig")])
    # centred scores of "le train": 2 in t1, which stands for 1 tweet, and 1 + 4 in t2, which stands for 4
    drawn = {"t1": 1.0, "t2": 0.25}
    put(made, "draws", "d", [{"design_id": "d", "tweet_id": key, "key": "all", "pi": pi} for key, pi in drawn.items()])
    for name, scores in (("t1", [1.0, 3.0]), ("t2", [1.0, 1.0, 0.0, 8.0]), ("by hand", [90.0, 90.0])):
        words = [
            {"word": word, "surface": word, "start": at, "stop": at + 1, "score": score}
            for at, (word, score) in enumerate(zip(["le", "train"] * 2, scores, strict=False))
        ]
        silent = [{**word, "score": 0.0} for word in words]
        rows = [
            {**explanation("t1", target, scores[:2]), "tweet_id": name, "words": said}
            for target, said in (("avion", words), ("viande", silent))
        ]
        put(made, "explanations", name.replace(" ", "-"), rows)
    catalog.refresh(made)
    (row,) = ask(made, "ngrams", label="avion", n="2", min_tweets="2")
    x1, x2 = 2.0, 1.0 + 4.0
    mean = (x1 + 4 * x2) / 5
    short = 17 * (1 + 17 / 25) - 2 * 65 / 5  # Σ weight², Σ weight³: 17 and 65
    error = sqrt(17 / short * ((x1 - mean) ** 2 + 16 * (x2 - mean) ** 2)) / 5
    assert row[:6] == ("avion", "le train", 2, 2, 3, 5.0)
    assert row[6:] == close(mean, mean - 12.706205 * error, mean + 12.706205 * error, 5 * mean)


def test_word_top_label(good_store: Store) -> None:
    rows = ask(good_store, "word_top_label", min_tweets="1")
    assert [(row[0], row[3], row[5]) for row in rows] == [
        ("nucléaire", "viande", "avion"),
        ("train", "avion", "viande"),
        ("vert", "viande", "avion"),
        ("le", "viande", "avion"),
    ]
    assert [row[4] for row in rows] == close(1.0, 1.0, 0.25, 0.1)
    assert [row[6] for row in rows] == close(-1.0, -1.0, -0.25, -0.1)


def test_concept_share(good_store: Store) -> None:
    avion, viande = ask(good_store, "concept_share")
    assert avion[:2] == ("avion", 2)
    assert avion[2:] == close(2.1, 2.0, 2.0 / 2.1, 1)  # le 0.1 + train 1.0 + 0.5 + 0.5
    assert viande[:2] == ("viande", 2)
    assert viande[2:] == close(1.55, 0.25, 0.25 / 1.55, 1)  # vert 0.25, le 0.3, nucléaire 1.0


def test_concept_share_is_of_the_corpus_that_was_sampled(good_store: Store) -> None:
    """t2 stands for four tweets; t3 was picked by hand, and says nothing of the corpus."""
    drawn = {"t1": 1.0, "t2": 0.25}
    put(
        good_store, "draws", "d", [{"design_id": "d", "tweet_id": k, "key": "all", "pi": pi} for k, pi in drawn.items()]
    )
    catalog.refresh(good_store)
    avion, viande = ask(good_store, "concept_share")
    assert avion[2:] == close(0.1 + 1.0 + 4 * 1.0, 5.0, 5.0 / 5.1, 1)
    assert viande[1] == 1
    assert viande[2:] == close(4 * 0.25, 1.0, 1.0, 1)


def test_one_text_explained_otherwise_does_not_empty_the_audit(good_store: Store) -> None:
    last = "SELECT model_version, method, baseline FROM last_explained"
    before = catalog.run_sql(good_store, last).rows()
    odd = {"model_version": "m2", "baseline": "zero", "tweet_id": "text-1", "computed_at": LATER}
    put(good_store, "explanations", "odd", [{**explanation("t1", "avion", [1.0, 1.0]), **odd}])
    model = {"model_version": "m2", "serving_version": "v2", "labels": ["avion", "viande"], "seen_at": DAY}
    put(good_store, "models", "v2", [model])
    catalog.refresh(good_store)
    assert catalog.run_sql(good_store, last).rows() == before == [("m1", "ig", "mask")]
    (_, only) = catalog.run_sql(good_store, "SELECT model_version, sampled FROM explained ORDER BY place").rows()
    assert only == ("m2", False)


def test_a_database_of_another_version_says_how_to_renew_it(good_store: Store) -> None:
    with duckdb.connect(str(good_store.catalog)) as connection:
        connection.execute("ALTER TABLE word_label_verdict DROP COLUMN by_author")
    with pytest.raises(QueryError, match="another version of camembias; run: camembias refresh"):
        ask(good_store, "verdicts")


def test_incomplete_explanations(good_store: Store) -> None:
    (row,) = ask(good_store, "incomplete_explanations")
    assert row[:6] == ("t4", "m1", "viande", "ig", "mask", 50)
    assert all(math.isnan(value) for value in row[6:8])


def test_training_association_counts_a_duplicate_group_once(good_store: Store) -> None:
    rows = ask(good_store, "training_association", min_docs="1", label="avion")
    # documents: h1 avion {le, train}, h3 avion {train}, h4 viande {le}, h5 viande {vert}
    assert [(row[1], row[3], row[4], row[5], row[6]) for row in rows] == [
        ("train", 2, 2, 2, 4),
        ("le", 2, 1, 2, 4),
        ("vert", 1, 0, 2, 4),
    ]
    assert rows[0][7:] == close(log2(2), 0.5, 0.5 / sqrt(0.25 / 2))
    assert rows[1][7:] == close(0, 0, 0)
    assert rows[2][7:] == (None, 0.0, pytest.approx(-1.0))


def test_word_label_joins_the_witnesses(good_store: Store) -> None:
    rows = ask(good_store, "word_label", min_tweets="1", label="avion")
    assert [row[0] for row in rows] == ["train", "le", "vert", "nucléaire"]
    assert rows[0][1:5] == ("word", True, "avion", 2)
    assert rows[0][5:] == close(1.0, 1.0, 1.0, sqrt(2))
    assert [row[2] for row in rows] == [True, False, True, False]  # vert: concept word of another label
    assert rows[3][8] is None
    assert ask(good_store, "word_label") == []


def test_explanation_status(good_store: Store) -> None:
    # t1 twice asked, both done; t5 one of two; t6 failed; t7 waits
    assert ask(good_store, "explanation_status") == [("m1", "ig", "mask", 8, 3, 2, 3)]


def test_reject_reasons(good_store: Store) -> None:
    assert ask(good_store, "reject_reasons") == [("no text", 3, 2, 0.75), ("no id", 1, 1, 0.25)]


def test_rescored_share(good_store: Store) -> None:
    assert ask(good_store, "rescored_share") == [("v1", 5, 1, pytest.approx(0.2))]


def test_the_longest_text_of_a_tweet_wins(good_store: Store) -> None:
    found = catalog.run_sql(good_store, "SELECT text FROM tweets WHERE tweet_id = 't1'")
    assert found.rows() == [("le train",)]


def test_only_the_method_explained_last_answers(good_store: Store) -> None:
    other = [
        explanation("t3", target, [score, 0.0], method="other", computed_at=LATER)
        for target, score in (("avion", 4.0), ("viande", 0.0))
    ]
    put(good_store, "explanations", "b3", other)
    put(good_store, "designs", "o", [design("o", "other")])
    put(good_store, "draws", "o", [{"design_id": "o", "tweet_id": "t3", "key": "all", "pi": 1.0}])
    catalog.refresh(good_store)
    assert [row[1] for row in ask(good_store, "words_up", label="avion", min_tweets="1")] == ["le"]


def test_word_kind_agrees_with_the_package(empty_store: Store) -> None:
    sample = (
        "@anna #foot https://t.co www.lemonde.fr 😀 👍🏽 🇫🇷 ❤️ 1️⃣ ☀️ 12,5 10% l' qu' lorsqu' -t-il -vous le être ça "
        "train soi-disant aujourd'hui ! … « ° € → © # @ été œuf jusqu' ©️ "
        "r… @vig… <hashtag> <number> "
        "y' lemonde.fr lemonde.fr/a étudiant·e·s S.N.C.F. km/h €/kg n° °C 12/03/2022 24h/24 R&D <3 :) -> ^_^"
    )
    words = sample.split()
    quoted = ", ".join("'" + word.replace("'", "''") + "'" for word in words)
    found = catalog.run_sql(empty_store, f"SELECT w, word_kind(w) FROM (SELECT unnest([{quoted}]) AS w)").rows()
    assert [(word, kind, text.kind(word)) for word, kind in found if kind != text.kind(word)] == []
    assert len(found) == len(words)


def test_explanation_quality_shows_the_latest_measure_of_each_model(good_store: Store) -> None:
    row = {"model_version": "m1", "method": "ig", "baseline": "mask", "measure": "sufficiency", "variant": "scores"}
    numbers = {"tweets": 5, "mean": 0.25, "low": 0.125, "high": 0.5, "computed_at": LATER}
    old = {**numbers, "mean": 0.375, "computed_at": datetime(2024, 1, 1, tzinfo=UTC)}
    put(good_store, "quality", "r1", [{**row, **numbers}, {**row, **numbers, "model_version": "m2"}])
    put(good_store, "quality", "r0", [{**row, **old}])
    catalog.refresh(good_store)
    found = ask(good_store, "explanation_quality")
    assert [one[0] for one in found] == ["m1", "m2"]
    assert found[0][3:] == ("sufficiency", "scores", 5, 0.25, 0.125, 0.5, LATER)
    assert len(ask(good_store, "explanation_quality", model_version="m2")) == 1
    assert catalog.failed_checks(good_store) == {}
    put(good_store, "quality", "r2", [{**row, **numbers, "variant": "random", "mean": 0.75}])
    assert catalog.failed_checks(good_store) == {"quality_intervals": 1}


def test_a_moved_store_still_answers(good_store: Store, tmp_path: Path) -> None:
    good_store.root.rename(tmp_path / "moved")
    assert len(ask(store.open_existing(tmp_path / "moved"), "label_shares")) == 2


def test_checks_are_silent_on_good_stores(good_store: Store, empty_store: Store) -> None:
    assert catalog.failed_checks(good_store) == {}
    assert catalog.failed_checks(empty_store) == {}


def test_check_prediction_without_tweet(spoil: Spoil) -> None:
    assert spoil("predictions", [prediction("t9", "avion")]) == {"prediction_without_tweet": 1}


@pytest.mark.parametrize("changes", [{"delta": 0.1}, {"logit": None}])
def test_check_completeness(spoil: Spoil, changes: dict[str, Any]) -> None:
    assert spoil("explanations", [explanation("t5", "viande", [1.0], **changes)]) == {"completeness": 1}


def test_check_explanation_of_unknown_model(spoil: Spoil) -> None:
    row = explanation("t5", "viande", [1.0], model_version="m2")
    assert spoil("explanations", [row]) == {"explanation_of_unknown_model": 1}


def test_check_word_spans(spoil: Spoil) -> None:
    row = explanation("t2", "viande", [0.0, 0.5, -0.5], computed_at=LATER)
    row["words"][1]["stop"] = 13  # the third word begins at 11
    assert spoil("explanations", [row]) == {"word_spans": 1}


def test_check_duplicate_predictions(good_store: Store) -> None:
    # The view de-duplicates, so only a broken view can fire it: run the check over the parts instead.
    sql = dict(sqlfiles.statements("checks"))["duplicate_predictions"]
    assert catalog.run_sql(good_store, sql).is_empty()
    broken = catalog.run_sql(good_store, sql.replace("FROM predictions", "FROM predictions_parts"))
    assert sorted(broken.rows()) == [("t1", "v1"), ("t5", "v1")]


def test_unknown_parameters_and_values_are_refused(good_store: Store) -> None:
    with pytest.raises(QueryError, match="has no parameter 'nope'"):
        ask(good_store, "words_up", nope="1")
    with pytest.raises(QueryError, match="many"):
        ask(good_store, "words_up", top="many")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM tweets",
        "COPY (SELECT 1) TO '{store}/out.csv'",
        "ATTACH '{store}/other.duckdb' AS other",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT * FROM read_text('{store}/../secret.txt')",
        "SET enable_external_access = true",
        "EXPLAIN ANALYZE SELECT * FROM read_text('/etc/passwd')",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{store}/out.csv'",
        "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{store}/out.csv'",
        "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{store}/out.csv'",
        "/* a */ EXPLAIN ANALYZE COPY (SELECT 1) TO '{store}/out.csv'",
        "",
    ],
)
def test_free_sql_reads_the_store_and_nothing_else(good_store: Store, sql: str) -> None:
    (good_store.root.parent / "secret.txt").write_text("secret")
    root = str(good_store.root.resolve()).replace("'", "''")
    with pytest.raises(QueryError):
        catalog.run_sql(good_store, sql.format(store=root))
    assert not (good_store.root / "out.csv").exists()


def test_free_sql_answers_and_explains(good_store: Store) -> None:
    assert catalog.run_sql(good_store, "SELECT count(*) FROM tweets").item() == 5
    for how in ("EXPLAIN", "explain analyze", "EXPLAIN (FORMAT json)"):
        assert not catalog.run_sql(good_store, f"{how} SELECT * FROM tweets").is_empty()


def test_refresh_twice_publishes_whole_catalogues(good_store: Store) -> None:
    catalog.refresh(good_store)
    assert sorted(path.name for path in good_store.root.glob("audit*")) == ["audit.duckdb", "audit.lock"]
    (latest,) = catalog.run_sql(good_store, "SELECT max(classified_at) FROM predictions").row(0)
    assert latest == datetime(2024, 3, 2, tzinfo=UTC)


def test_nothing_but_the_answer_reaches_stdout(good_store: Store) -> None:
    """DuckDB draws a progress bar on stdout when a statement takes long, which a busy machine makes of any."""
    shown = catalog.run_sql(good_store, "SELECT current_setting('enable_progress_bar') AS shown")["shown"]
    assert shown.to_list() == [False]
