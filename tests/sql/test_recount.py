"""Shares without suspicious words, worked out by hand: ten tweets, four that hold a word, some or all recounted."""

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camembias import catalog, sqlfiles
from camembias.store import Store

from .conftest import DAY, LATER, prediction, put, tweet

# tweet: its words, other words, and its label as classified, without the words, without the others
TWEETS = {
    "w1": (["@vigie"], ["hier"], "avion", "viande", "avion"),
    "w2": (["@vigie", "🌻"], ["hier", "pas"], "avion", "avion", "viande"),
    "w3": (["🌻"], [], "viande", "viande", "viande"),
    "w4": (["🌻"], ["pas"], "avion", "viande", "avion"),
}


def recount(of: Store, name: str, tweets: list[str], months: dict[str, date | None] | None = None, **row: Any) -> None:
    keys = ("words", "others", "label", "label_without", "label_without_others")
    rows = [{"recount": name, "tweet_id": one, **dict(zip(keys, TWEETS[one], strict=True))} for one in tweets]
    rows = [one | {"month": (months or {}).get(one["tweet_id"])} for one in rows]
    put(of, "recounted", name, rows)
    frame = [{"label": "avion", "tweets": 6}, {"label": "viande", "tweets": 4}, {"label": "autre", "tweets": 0}]
    made = {"recount": name, "model_version": "m1", "serving_version": "v9", "words": ["@vigie", "🌻"], "frame": frame}
    put(of, "recounts", name, [{**made, "holders": 4, "tweets": len(rows), "computed_at": DAY, **row}])


def drawn_error(values: list[int], size: int) -> float:
    """Of their mean, with half a 1 and half a -1 more among n + 2 values."""
    n, squares = len(values) + 2, sum(one * one for one in values) + 1
    return math.sqrt((1 - len(values) / size) * (squares / n - (sum(values) / n) ** 2) / n)


def ask(of: Store, name: str, **values: str | None) -> list[dict[str, Any]]:
    return catalog.run_query(of, sqlfiles.query(name), values).to_dicts()


def test_where_all_are_recounted_the_shares_are_exact(good_store: Store) -> None:
    recount(good_store, "c", list(TWEETS))
    avion, viande, autre = ask(good_store, "recounted_shares")
    assert (avion["label"], avion["tweets"], avion["share"], avion["lost"], avion["gained"]) == ("avion", 6, 0.6, 2, 0)
    for name in ("difference", "difference_low", "difference_high"):
        assert avion[name] == pytest.approx(-0.2)
        assert viande[name] == pytest.approx(0.2)
        assert autre[name] == 0
    assert (avion["share_without"], viande["share_without"]) == pytest.approx((0.4, 0.6))
    assert (avion["others_difference"], viande["others_difference"]) == pytest.approx((-0.1, 0.1))
    assert (autre["share"], autre["share_without"], avion["serving_version"]) == (0, 0, "v9")


def test_where_some_are_drawn_the_interval_is_that_of_the_draw(good_store: Store) -> None:
    recount(good_store, "c", ["w1", "w2", "w3"])  # three of the four; one of them loses avion
    avion, viande, _ = ask(good_store, "recounted_shares")
    assert avion["difference"] == pytest.approx(4 / 10 * -1 / 3)
    assert (avion["lost"], avion["gained"], viande["gained"]) == (1, 0, 1)  # 1.33, rounded
    se = drawn_error([-1, 0, 0], 4)
    assert avion["difference_high"] - avion["difference"] == pytest.approx(1.96 * 0.4 * se)
    assert avion["difference"] - avion["difference_low"] == pytest.approx(1.96 * 0.4 * se)


def test_of_a_few_tweets_that_stay_as_they_are_little_is_known(good_store: Store) -> None:
    recount(good_store, "c", ["w3"])
    avion = ask(good_store, "recounted_shares")[0]
    assert avion["difference"] == 0
    assert avion["difference_low"] < -0.2 < 0.2 < avion["difference_high"]  # of what all four hold: 0.4


def test_no_control_word_is_no_comparison(good_store: Store) -> None:
    recount(good_store, "c", ["w3"])
    assert [row["others_difference"] for row in ask(good_store, "recounted_shares")] == [None] * 3


def test_the_latest_recount_answers_unless_another_is_named(good_store: Store) -> None:
    recount(good_store, "a", ["w2"], computed_at=LATER)
    recount(good_store, "b", list(TWEETS))
    assert [row["lost"] for row in ask(good_store, "recounted_shares")] == [0, 0, 0]
    assert ask(good_store, "recounted_shares", recount="b")[0]["lost"] == 2
    assert ask(good_store, "recounted_words", recount="b", top=None)[0]["lost"] == 1
    assert ask(good_store, "recounted_words")[0]["lost"] == 0
    assert ask(good_store, "recounted_shares", recount="no such") == []


def test_words_of_a_recount(good_store: Store) -> None:
    recount(good_store, "c", ["w1", "w2", "w4"])  # each stands for 4/3 tweets
    rows = {(row["word"], row["label"]): row for row in ask(good_store, "recounted_words", top=None)}
    assert len(rows) == 2 * 3
    handle, flower = rows["@vigie", "avion"], rows["🌻", "avion"]
    assert (handle["tweets"], handle["lost"], handle["gained"]) == (3, 1, 0)  # of 2.67, 1.33
    assert (flower["tweets"], flower["lost"], flower["gained"]) == (3, 1, 0)
    assert handle["difference"] == pytest.approx(-4 / 3 / 10)
    assert rows["🌻", "viande"]["difference"] == pytest.approx(4 / 3 / 10)
    assert rows["🌻", "autre"]["difference"] == 0


def test_months_are_domains_of_the_draw(good_store: Store) -> None:
    march, april = date(2024, 3, 1), date(2024, 4, 1)
    months = {"w1": march, "w2": march, "w4": april}
    rest = [(march, "viande", 1), (april, "viande", 3), (None, "viande", 1), (None, "avion", 0), (None, "autre", 0)]
    rows = [dict(zip(("month", "label", "tweets"), one, strict=True)) for one in rest]
    recount(good_store, "c", list(months), months, rest=rows)
    # they came again after the recount, in full: it is about what they were when it was made
    again = {"created_at": datetime(2024, 5, 1, tzinfo=UTC), "seen_at": LATER}
    put(good_store, "tweets", "l", [tweet(one, f"{one} in full", **again) for one in ("w1", "w2", "x1")])
    late = {"serving_version": "v9", "classified_at": LATER}
    put(good_store, "predictions", "l", [prediction(one, "autre", **late) for one in ("w1", "w2", "x1")])
    found = {(f"{row['month']:%m}", row["label"]): row for row in ask(good_store, "recounted_shares_over_time")}
    assert len(found) == 2 * 3
    assert (found["03", "avion"]["tweets"], found["03", "avion"]["share"]) == (2, pytest.approx(2 / 3))
    assert found["03", "avion"]["difference"] == pytest.approx(4 / 3 * -1 / 3)  # w1 stands for 4/3 of March's 3 tweets
    assert found["04", "avion"]["difference"] == pytest.approx(4 / 3 * -1 / 4)
    assert found["04", "viande"]["difference"] == pytest.approx(4 / 3 * 1 / 4)
    assert found["04", "viande"]["share_without"] == 1  # 3/4 and 1/3 are more
    assert found["03", "autre"]["share_without"] == 0
    se = drawn_error([-1, 0, 0], 4)
    assert found["04", "avion"]["difference_high"] == pytest.approx(-1 / 3 + 1.96 * 4 / 4 * se)


def test_a_recount_that_does_not_say_what_the_months_held_has_none(good_store: Store) -> None:
    recount(good_store, "c", list(TWEETS), {"w1": date(2024, 3, 1)})
    assert ask(good_store, "recounted_shares_over_time") == []
    assert catalog.run_sql(good_store, "SELECT months FROM recounts")["months"].to_list() == [None]


def test_which_words_a_recount_takes_out(good_store: Store) -> None:
    """Whatever the verdict: a reviewer's `bias` comes in. What is confirmed is shown in the acceptance tests."""
    assert ask(good_store, "recount_words") == []
    put(good_store, "decisions", "d", [{"word": "train", "label": "avion", "decision": "bias"}])
    catalog.refresh(good_store)
    assert [(row["word"], row["labels"]) for row in ask(good_store, "recount_words")] == [("train", ["avion"])]
    # and one of a word that no verdict is about
    put(good_store, "decisions", "e", [{"word": "@tiers", "label": "avion", "decision": "bias"}])
    catalog.refresh(good_store)
    handle, train = ask(good_store, "recount_words")
    assert (handle["word"], handle["kind"], handle["tweets"]) == ("@tiers", "handle", 0)
    assert train["word"] == "train"


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=40), others=st.integers(0, 40))
def test_the_error_of_a_draw_is_cochrans_with_a_value_more_of_either_kind(
    empty_store: Store, values: list[int], others: int
) -> None:
    size = len(values) + others
    sums = f"{values.count(1)}, {values.count(-1)}, {len(values)}, {size}"
    found = catalog.run_sql(empty_store, f"SELECT drawn_error({sums}) AS se")["se"][0]
    assert found == pytest.approx(drawn_error(values, size), abs=1e-9)


@pytest.mark.parametrize("n", [10, 30, 100, 300])
@pytest.mark.parametrize(("gained", "lost"), [(0.01, 0), (0, 0.03), (0.02, 0.02), (0.1, 0.05)])
def test_intervals_of_few_tweets_hold_the_truth(empty_store: Store, n: int, gained: float, lost: float) -> None:
    """A mean that no tweet changed had no error: with 100 tweets and 1 % of mistakes, 36 % were a point."""
    counts = np.random.default_rng(n).multinomial(n, [gained, lost, 1 - gained - lost], 4000)[:, :2]
    each = f"unnest({counts[:, 0].tolist()}) AS gained, unnest({counts[:, 1].tolist()}) AS lost"
    off = f"(gained - lost) / {n} - ({gained} - {lost})"
    hit = f"avg(CASE WHEN abs({off}) <= 1.96 * drawn_error(gained, lost, {n}, 1e9) THEN 1 ELSE 0 END)"
    assert catalog.run_sql(empty_store, f"SELECT {hit} FROM (SELECT {each})").item() > 0.93
