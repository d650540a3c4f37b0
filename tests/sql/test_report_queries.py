"""The queries that only the report asks, worked out by hand on the store of conftest."""

import hashlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from camembias import catalog, sqlfiles
from camembias.store import Store

from .conftest import DAY, LATER, explanation, prediction, put, training, tweet


def ask(store: Store, name: str, **values: str | None) -> list[dict[str, Any]]:
    return catalog.run_query(store, sqlfiles.query(name), values).to_dicts()


def test_store_contents_count_each_thing_once(good_store: Store) -> None:
    (row,) = ask(good_store, "store_contents")
    assert (row["tweets"], row["authors"], row["classified"], row["refused_rows"]) == (5, 1, 5, 4)
    assert row["explained"] == 3  # t4 has a target that did not converge, t5 lacks one
    assert (row["last_classified_at"], row["last_explained_at"]) == (LATER, DAY)
    assert (row["abstained"], row["first_tweet_at"]) == (0, None)  # no model has a threshold, no tweet a time


def test_undated_tweets_are_counted(good_store: Store) -> None:
    put(good_store, "tweets", "d", [tweet("t9", "daté", created_at=DAY)])
    (row,) = ask(good_store, "store_contents")
    assert (row["tweets"], row["undated"], row["first_tweet_at"]) == (6, 5, DAY)


def test_retweets_stand_beside_original_tweets(good_store: Store) -> None:
    texts = {"r1": "RT @moi: le train", "r2": "rt @moi: en petites lettres, écrit à la main", "r3": "RT le train"}
    put(good_store, "tweets", "rt", [tweet(one, text) for one, text in texts.items()])
    put(good_store, "predictions", "rt", [prediction(one, "avion") for one in texts])
    found = {(row["origin"], row["label"]): (row["tweets"], row["share"]) for row in ask(good_store, "retweet_shares")}
    assert found == {
        ("original", "avion"): (5, 5 / 7),
        ("original", "viande"): (2, 2 / 7),
        ("retweet", "avion"): (1, 1.0),
        ("retweet", "viande"): (0, 0.0),
    }


def wilson(hits: int, of: int) -> tuple[float, float]:
    interval = binomtest(hits, of).proportion_ci(method="wilson")
    return interval.low, interval.high


def test_words_of_the_stream_are_held_against_those_of_training(good_store: Store) -> None:
    everything = {"min_ratio": None, "min_tweets": "1", "top": None}
    assert ask(good_store, "stream_words", **everything) == []  # so few tweets leave everything open
    rows = [training(f"n{n}", 100 + n, "avion", ["seulement", "ici"]) for n in range(96)]
    put(good_store, "training_words", "more", rows)
    catalog.refresh(good_store)
    found = {row["word"]: row for row in ask(good_store, "stream_words", **everything)}
    gone = found["seulement"]
    assert (gone["tweets"], gone["docs"], gone["stream_share"], gone["training_share"]) == (0, 96, 0, 0.96)
    assert (gone["difference"], gone["ratio"]) == (-0.96, 0)
    sampled, trained = wilson(0, 3), wilson(96, 100)
    assert gone["difference_high"] == pytest.approx(-0.96 + math.hypot(sampled[1], 0.96 - trained[0]), rel=1e-4)
    assert gone["difference_low"] == pytest.approx(-0.96 - (trained[1] - 0.96), rel=1e-4)
    # train is in 2 of 3 texts and 2 of 100 documents: over 0
    low = 2 / 3 - 2 / 100 - math.hypot(2 / 3 - wilson(2, 3)[0], wilson(2, 100)[1] - 2 / 100)
    assert found["train"]["difference_low"] == pytest.approx(low, rel=1e-4)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([(50, 500), (200, 1000)]), st.sampled_from([0.005, 0.01, 0.02, 0.1]), st.integers(0, 9))
def test_a_word_as_frequent_in_both_is_rarely_told_apart(empty_store: Store, sizes, p, seed) -> None:
    """A word that the sample lacked by chance had no error: 37 % of words in 0.5 % of the tweets had a row."""
    n, m = sizes
    x, y = (np.random.default_rng(seed).binomial(of, p, 2000) for of in sizes)
    counts = f"SELECT unnest({x.tolist()}) / {n} AS x, unnest({y.tolist()}) / {m} AS y"
    shares = (
        f"SELECT *, wilson(x, {n}.0) AS its, wilson(y, {m}.0) AS of_other FROM ({counts}) WHERE x * {n} + y * {m} >= 10"
    )
    apart = f"SELECT shares_apart(x, its, y, of_other) AS apart FROM ({shares})"
    rows = catalog.run_sql(empty_store, f"SELECT apart.low > 0 OR apart.high < 0 AS told FROM ({apart})")["told"]
    assert rows.sum() <= binom.ppf(1 - 1e-4, len(rows), 0.07)  # of nine rows three are chance


def test_a_store_with_refused_rows_only_is_not_empty(empty_store: Store, good_store: Store) -> None:
    assert ask(empty_store, "store_contents") == []
    for table in ("tweets", "predictions", "explanations"):
        for name in good_store.part_names(table):
            good_store.part(table, name).unlink()
    (row,) = ask(good_store, "store_contents")
    assert (row["tweets"], row["classified"], row["explained"], row["refused_rows"]) == (0, 0, 0, 4)


def test_models_seen_begin_with_the_one_explained_last_then_the_newest(good_store: Store) -> None:
    row = {
        "model_version": "m2",
        "serving_version": "v2",
        "name": "later",
        "labels": ["a", "b"],
        "manifest": '{"x": 1}',
    }
    put(good_store, "models", "v2", [{**row, "seen_at": LATER}])
    put(good_store, "models", "v0", [{**row, "serving_version": "v0", "name": "older", "seen_at": DAY}])
    assert [(row["name"], row["manifest"]) for row in ask(good_store, "models_seen")] == [
        ("tiny", "{}"),  # explained
        ("later", '{"x": 1}'),
        ("older", '{"x": 1}'),
    ]


def test_last_runs_show_the_latest_of_each_kind(good_store: Store) -> None:
    first = {"run_id": "r1", "kind": "classify", "status": "failed", "started_at": DAY, "finished_at": DAY}
    second = {
        "run_id": "r2",
        "kind": "classify",
        "status": "running",
        "started_at": LATER,
        "versions": '{"torch": "2"}',
    }
    put(good_store, "runs", "r1", [{**first, "versions": "{}"}])
    put(good_store, "runs", "r2", [second])
    put(good_store, "runs", "r3", [{**first, "run_id": "r3", "kind": "effects", "status": "done", "versions": "{}"}])
    classify, effects = ask(good_store, "last_runs")
    assert (classify["kind"], classify["runs"], classify["failed"], classify["status"]) == ("classify", 2, 1, "running")
    assert classify["finished_at"] is None  # the latest run is not over, whatever the earlier one says
    assert classify["versions"] == '{"torch": "2"}'
    assert (effects["kind"], effects["runs"], effects["failed"], effects["finished_at"]) == ("effects", 1, 0, DAY)


def test_finding_examples_are_drawn_by_number_and_carry_centred_scores(good_store: Store) -> None:
    rows = ask(good_store, "finding_examples", top="1", each=None)  # the first finding: train and avion
    by_chance = sorted(("t1", "t2"), key=lambda one: hashlib.sha256(f"s:{one}".encode()).hexdigest())
    assert [(row["word"], row["label"], row["example"], row["tweet_id"]) for row in rows] == [
        ("train", "avion", 1, by_chance[0]),
        ("train", "avion", 2, by_chance[1]),
    ]
    found = {row["tweet_id"]: row for row in rows}
    assert (found["t1"]["text"], found["t1"]["predicted"], found["t1"]["score"]) == ("le train", "avion", 1.0)
    assert found["t2"]["score"] == pytest.approx(1.0)  # 0.5 twice
    shown = [[(word["surface"], word["start"], word["stop"]) for word in found[one]["words"]] for one in ("t1", "t2")]
    assert shown[0] == [("le", 0, 2), ("train", 3, 8)]
    assert shown[1] == [("train", 0, 5), ("vert", 6, 10), ("train", 11, 16)]
    assert [word["word"] for word in found["t2"]["words"]] == ["train", "vert", "train"]
    assert [word["score"] for word in found["t1"]["words"]] == pytest.approx([0.1, 1.0])
    assert [word["score"] for word in found["t2"]["words"]] == pytest.approx([0.5, -0.25, 0.5])


def test_finding_examples_of_one_word(good_store: Store) -> None:
    words = {row["word"] for row in ask(good_store, "finding_examples", top=None)}
    assert len(words) > 1
    assert {row["word"] for row in ask(good_store, "finding_examples", word="vert")} == {"vert"} < words


def test_finding_examples_keep_to_what_is_asked(good_store: Store) -> None:
    found = ask(good_store, "finding_examples", each="1")
    # train and vert are concept words, so expected; le and nucléaire are weak and have no examples
    assert [(row["word"], row["label"]) for row in found] == [
        ("train", "avion"), ("vert", "avion"), ("train", "viande"), ("vert", "viande")
    ]  # fmt: skip
    assert [row["words"][1]["score"] for row in found if (row["word"], row["label"]) == ("vert", "viande")] == [0.25]


def test_a_tweets_explanation_is_that_of_the_model_explained_last(good_store: Store) -> None:
    avion, viande = ask(good_store, "tweet_explanation", tweet_id="t1")
    assert (avion["target"], avion["text"], avion["labels"]) == ("avion", "le train", ["avion", "viande"])
    assert [word["score"] for word in avion["words"]] == pytest.approx([0.3, 2.0])  # as stored: not centred
    assert (viande["target"], viande["temperature"]) == ("viande", 1.0)
    put(
        good_store,
        "explanations",
        "later",
        [explanation("t1", "avion", [5.0, 6.0], model_version="m2", computed_at=LATER)],
    )
    row = {"model_version": "m2", "serving_version": "v2", "labels": ["avion", "viande"], "seen_at": LATER}
    put(good_store, "models", "v2", [{**row, "manifest": '{"temperature": 1.5}'}])
    (only,) = ask(good_store, "tweet_explanation", tweet_id="t1")
    assert (only["model_version"], only["temperature"], only["words"][1]["score"]) == ("m2", 1.5, 6.0)


def test_a_tweet_that_was_not_explained_has_no_explanation(good_store: Store) -> None:
    assert ask(good_store, "tweet_explanation", tweet_id="nobody") == ask(good_store, "tweet_explanation") == []
