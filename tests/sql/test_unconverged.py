"""Explanations that do not add up count, with their error: no view leaves the tweets out that a model decides."""

import math
from typing import Any

import pytest

from camembias import catalog
from camembias import store as stores
from camembias.cli.completeness import completeness
from camembias.store import Store
from tests.sql.conftest import DAY, put

LABELS = ["avion", "viande"]
SCOPE = {"model_version": "m1", "method": "ig", "baseline": "mask"}


def explained(tweet: str, words: list[str], scores: dict[str, list[float]], deltas: dict[str, float]) -> list[dict]:
    listed = {
        label: [
            {"word": word, "surface": word, "start": 9 * at, "stop": 9 * at + 8, "score": score}
            for at, (word, score) in enumerate(zip(words, scores[label], strict=True))
        ]
        for label in LABELS
    }
    return [
        {
            **SCOPE, "batch": "b", "tweet_id": tweet, "target": label, "label": "avion", "words": listed[label],
            "logit": sum(scores[label]) - deltas[label], "logit_baseline": 0.0, "special_score": 0.0,
            "delta": deltas[label], "converged": abs(deltas[label]) < 0.05, "computed_at": DAY, "steps": 12,
            "relative_error": abs(deltas[label]), "text_hash": tweet,
        }
        for label in LABELS
    ]  # fmt: skip


def filled(root, rows: list[dict[str, Any]], tweets: list[str], **failed: Any) -> Store:
    """Every tweet is drawn with certainty, and its explanation was asked for."""
    made = stores.create(root)
    put(made, "explanations", "b", rows)
    model = {"model_version": "m1", "serving_version": "v1", "labels": LABELS, "manifest": "{}", "seen_at": DAY}
    put(made, "models", "v1", [model])
    put(made, "designs", "d", [{**SCOPE, "design_id": "d", "seed": "s", "rates": [], "created_at": DAY}])
    put(made, "draws", "d", [{"design_id": "d", "tweet_id": one, "key": "k", "pi": 1.0} for one in tweets])
    asked = {**SCOPE, "batch": "b", "design_id": "d", "targets": LABELS, "requested_by": "sample", "requested_at": DAY}
    put(made, "requests", "b", [{**asked, "tweet_id": one, "label": failed.get(one, "avion")} for one in tweets])
    catalog.refresh(made)
    return made


SMALL = {"avion": 0.0, "viande": 0.0}


def deciding(root) -> Store:
    """t1, in which little happens, adds up; t2, in which the model decides by `pirate`, misses 0.6 of one logit."""
    rows = explained("t1", ["le", "train"], {"avion": [0.1, 0.1], "viande": [0.1, 0.0]}, SMALL)
    rows += explained(
        "t2", ["le", "pirate"], {"avion": [0.2, 3.0], "viande": [0.0, -2.0]}, {"avion": -0.6, "viande": 0.0}
    )
    return filled(root, rows, ["t1", "t2"])


@pytest.fixture
def store(tmp_path) -> Store:
    return deciding(tmp_path / "store")


def test_no_view_leaves_out_a_word_of_tweets_whose_explanations_miss_something(store):
    """Every view with a column of words that has those of the tweet that adds up has those of the other."""
    sql = """SELECT table_name FROM duckdb_columns() WHERE column_name = 'word' AND schema_name = 'main'
        AND database_name NOT IN ('system', 'temp') ORDER BY 1"""
    seen = 0
    for (name,) in catalog.run_sql(store, sql).iter_rows():
        words = set(catalog.run_sql(store, f'SELECT DISTINCT word FROM "{name}"')["word"])
        if "train" in words:
            assert "pirate" in words, f"{name} drops it"
            seen += 1
    assert seen >= 6  # word_scores, centred and sampled ones, sums, reliance, current ones


def test_no_view_leaves_out_a_tweet_whose_explanations_miss_something(store):
    sql = """SELECT table_name FROM duckdb_columns() WHERE column_name = 'tweet_id' AND schema_name = 'main'
        AND database_name NOT IN ('system', 'temp') ORDER BY 1"""
    seen = 0
    for (name,) in catalog.run_sql(store, sql).iter_rows():
        tweets = set(catalog.run_sql(store, f'SELECT DISTINCT tweet_id FROM "{name}"')["tweet_id"])
        if "t1" in tweets:
            assert "t2" in tweets, f"{name} drops it"
            seen += 1
    assert seen >= 8


def test_what_is_missed_widens_every_interval_by_hand(store):
    """Centred errors of t2: avion -0.6 - (-0.3), so 0.3 for either label; `le` stands in both tweets, so 0.15."""
    rows = catalog.run_sql(
        store, "SELECT word, label, mean_score, error_bound, low, high, corpus_low FROM word_label_reliance"
    )
    found = {(row["word"], row["label"]): row for row in rows.iter_rows(named=True)}
    assert found["pirate", "avion"]["mean_score"] == pytest.approx(2.5)
    assert found["pirate", "avion"]["error_bound"] == pytest.approx(0.3)
    assert found["pirate", "avion"]["corpus_low"] == pytest.approx(2.2)  # all tweets were drawn: no other error
    assert found["train", "avion"]["error_bound"] == 0
    le = found["le", "viande"]
    assert le["error_bound"] == pytest.approx(0.15)
    # centred scores of `le` for viande are 0.0 and -0.1; Student's 97.5 % quantile with one degree of freedom is 12.706
    assert le["mean_score"] == pytest.approx(-0.05)
    assert le["high"] - le["mean_score"] == pytest.approx(12.706 * 0.05 + 0.15, rel=0.02)


def test_errors_are_told_by_label_and_size_of_the_change(store):
    rows = catalog.run_query(store, catalog.sqlfiles.query("explanation_errors"))
    told = {(row["target"], row["change"]): row for row in rows.iter_rows(named=True)}
    assert told["avion", "2 logits or more"]["unconverged"] == 1
    assert told["avion", "2 logits or more"]["p95_of_scores"] == pytest.approx(0.6 / 3.2)
    assert told["avion", "0.1 to 0.5 logit"]["unconverged"] == 0


def lossy(root, lost: int) -> Store:
    rows, labels = [], {}
    for number in range(40):
        delta = math.nan if number < lost else 0.0
        rows += explained(f"t{number}", ["train"], {"avion": [1.0], "viande": [0.0]}, {"avion": delta, "viande": 0.0})
        labels[f"t{number}"] = "avion" if number < 20 else "viande"
    return filled(root, rows, list(labels), **labels)


@pytest.mark.parametrize(("lost", "distorted"), [(0, False), (1, False), (5, True)])
def test_too_many_lost_tweets_of_one_label_are_a_failed_check_and_end_every_confirmation(tmp_path, lost, distorted):
    made = lossy(tmp_path / "store", lost)
    losses = catalog.run_sql(made, "SELECT label, tweets, lost FROM sample_losses ORDER BY label").rows()
    assert losses == [("avion", 20, lost), ("viande", 20, 0)]
    assert ("lost_explanations" in catalog.failed_checks(made)) == distorted
    assert catalog.run_sql(made, "FROM distorted_samples").height == distorted
    assert catalog.run_sql(made, "SELECT tweets FROM word_label_reliance LIMIT 1").item() == 40 - lost


def test_terminal_and_doctor_tell_where_explanations_miss(store):
    said = completeness(store)
    assert said[:2] == [
        "the explanations: 1 of 4 (25.0 %) do not add up to 5 %",
        "those whose logit changes by 0.5 or more: 1 of 2 (50.0 %) do not add up to 5 %",
    ]
    assert "  for 'avion': 1 of 1 (100.0 %) do not add up to 5 %" in said


def test_nothing_is_said_where_all_adds_up(tmp_path):
    assert completeness(lossy(tmp_path / "store", 0)) == []
    [numberless, _] = completeness(lossy(tmp_path / "lossy", 1))[-2:]
    assert numberless.startswith("1 have logits that are no numbers")
