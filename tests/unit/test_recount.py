"""Which tweets are recounted, and what is taken out of each: once a tweet, in its longest text, always the same."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from batch import recount
from batch.holders import holders
from camembias import catalog, forget, sqlfiles
from camembias import store as stores
from camembias.errors import StoreError
from camembias.sampling import permanent_random_number, seed_of
from camembias.schemas import TABLES

DAY = stores.now()
TEXTS = {
    "1": "Merci @vigie, le train part hier",
    "2": "@vigie",
    "3": "RT @autre: hier le train, 🌻 🌻 et la gare",
    "4": "@vigie_bis parle du train",
    "5": "le train 🌻",
}


def put(store, bundle, texts, name="p"):
    rows = [{"tweet_id": key, "text": text, "source": "s", "seen_at": DAY} for key, text in texts.items()]
    store.write("tweets", name, pl.DataFrame(rows, schema=TABLES["tweets"]))
    label = {"model_version": bundle.model_version, "serving_version": bundle.serving_version, "label": "avion"}
    rows = [{**label, "tweet_id": key, "margin": 1.0, "classified_at": DAY} for key in texts]
    store.write("predictions", name, pl.DataFrame(rows, schema=TABLES["predictions"]))


@pytest.fixture
def store(tmp_path, tiny_bundle):
    made = stores.create(tmp_path / "store")
    put(made, tiny_bundle, TEXTS)
    short = [{"tweet_id": "1", "text": "Merci @vigie", "source": "s", "seen_at": DAY}]  # came again, cut short
    short += [{"tweet_id": "x", "text": "🌻 not classified by this version", "source": "s", "seen_at": DAY}]
    made.write("tweets", "q", pl.DataFrame(short, schema=TABLES["tweets"]))
    return made


def test_each_tweet_that_holds_a_word_is_there_once_with_its_longest_text(store, tiny_bundle):
    planned = recount.plan(store, tiny_bundle, ["🌻", "@vigie"], ["hier", "gare", "et"], 99)
    assert planned.words == ("@vigie", "🌻")
    assert planned.frame == {label: 5 if label == "avion" else 0 for label in tiny_bundle.labels.names}
    assert planned.holders == 4
    found = {one.tweet_id: one for one in planned.tweets}
    assert set(found) == {"1", "2", "3", "5"}
    assert (found["1"].words, found["1"].without) == (("@vigie",), "Merci , le train part hier")
    assert (found["1"].others, found["1"].without_others) == (("hier",), "Merci @vigie, le train part")
    assert found["3"].without == "RT @autre: hier le train, et la gare"
    assert len(found["3"].others) == 1  # as many as words were taken out, of the three that it has
    assert (found["2"].without, found["2"].others, found["5"].others) == ("", (), ())


def test_of_a_tweet_that_came_again_only_the_longest_text_counts_then_the_latest(store, tiny_bundle):
    """Cut short it ended in what looks like a word; its label is that of the whole text."""
    put(store, tiny_bundle, {"9": "On parle du tra…", "10": "du tra…", "11": "du tr…"}, "short")
    put(store, tiny_bundle, {"9": "On parle du travail et de la suite", "11": "du tra, du travail"}, "long")
    again = {"tweet_id": "10", "text": "du trou", "source": "s", "seen_at": DAY + timedelta(days=1)}
    store.write("tweets", "again", pl.DataFrame([again], schema=TABLES["tweets"]))
    planned = recount.plan(store, tiny_bundle, ["tra"], [], 9)
    assert (planned.holders, [one.tweet_id for one in planned.tweets]) == (1, ["11"])
    held = holders(store, ["tra", "travail", "trou"], 9)
    assert {word: {key for key, _ in tweets} for word, tweets in held.items()} == {
        "tra": {"11"}, "travail": {"9", "11"}, "trou": {"10"}
    }  # fmt: skip


def test_fewer_are_those_of_the_smallest_numbers_and_within_more(store, tiny_bundle):
    put(store, tiny_bundle, {f"m{n}": f"le train 🌻 {n}" for n in range(60)}, "many")
    few, more = (recount.plan(store, tiny_bundle, ["🌻"], ["train"], most) for most in (10, 30))
    assert few.holders == more.holders == 62
    assert [one.tweet_id for one in few.tweets] == [one.tweet_id for one in more.tweets[:10]]
    numbers = [permanent_random_number(seed_of(store), one.tweet_id) for one in more.tweets]
    assert numbers == sorted(numbers)
    assert more.tweets == recount.plan(store, tiny_bundle, ["🌻"], ["train"], 30).tweets


def test_what_is_not_recounted_is_counted_by_month_and_label(store, tiny_bundle):
    march, april = date(2024, 3, 1), date(2024, 4, 1)
    when = {"1": datetime(2024, 3, 31, 23, 59, tzinfo=UTC), "4": datetime(2024, 4, 1, tzinfo=UTC), "5": None}
    timed = [{"tweet_id": one, "text": TEXTS[one], "created_at": time, "seen_at": stores.now()}
             for one, time in when.items()]  # fmt: skip
    store.write("tweets", "timed", pl.DataFrame(timed, schema=TABLES["tweets"]))
    planned = recount.plan(store, tiny_bundle, ["@vigie"], [], 1)
    (one,) = planned.tweets
    others = {("1", march), ("2", None), ("4", april), ("3", None), ("5", None)} - {(one.tweet_id, one.month)}
    assert len(others) == 4
    counted = {(row["month"], row["label"]): row["tweets"] for row in planned.rest if row["tweets"]}
    assert counted == {(month, "avion"): n for month, n in Counter(month for _, month in others).items()}
    assert {row["label"] for row in planned.rest} == set(tiny_bundle.labels.names)
    assert len(planned.rest) == len({(row["month"], row["label"]) for row in planned.rest})


class Moved:
    """What is left of tweets 1 and 3 is no longer `avion`."""

    def __init__(self, bundle):
        self.bundle = bundle

    def encode(self, texts):
        return texts

    def scores(self, texts):
        names = self.bundle.labels.names
        moved = [text.startswith(("Merci ,", "RT")) for text in texts]
        return np.eye(len(names))[[names.index("viande" if one else "avion") for one in moved]], None


def made(store, bundle, most=99, before=lambda: None):
    """A recount without two words, and what the queries say of the last one."""
    planned = recount.plan(store, bundle, ["🌻", "@vigie"], ["hier"], most)
    before()
    recount.recount(Moved(bundle), store, planned, stores.Run("r", {}))
    return said(store)


def said(store):
    catalog.refresh(store)
    names = ("recounted_shares", "recounted_shares_over_time", "recounted_words")
    return [catalog.run_query(store, sqlfiles.query(name)).to_dicts() for name in names]


@pytest.fixture
def timed(store):
    rows = [{"tweet_id": one, "text": TEXTS[one], "seen_at": stores.now(), "created_at": datetime(2024, month, 9)}
            for one, month in (("1", 3), ("2", 3), ("3", 4), ("4", 3))]  # fmt: skip
    store.write("tweets", "timed", pl.DataFrame(rows, schema=TABLES["tweets"]))
    return store


def test_a_tweet_that_is_forgotten_is_out_of_the_recount(timed, tiny_bundle, monkeypatch):
    made(timed, tiny_bundle)
    with monkeypatch.context() as patch:  # killed half-way
        patch.setattr(forget, "_blank_runs", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            forget.forget(timed, ["1", "5"])
    shares, months, words = said(timed)
    avion = {row["label"]: row for row in shares}["avion"]  # of 2, 3 and 4
    assert (avion["tweets"], avion["share"], avion["share_without"]) == (3, 1, pytest.approx(2 / 3))
    march = {(f"{row['month']:%m}", row["label"]): row for row in months}["03", "avion"]
    assert (march["tweets"], march["share"], march["share_without"]) == (2, 1, 1)
    for _ in range(2):
        forget.forget(timed, ["1", "5"])
        assert said(timed) == [shares, months, words]
    assert made(timed, tiny_bundle) == [shares, months, words]


def test_forgetting_it_while_it_is_recounted_or_all_of_them_is_the_same(timed, tiny_bundle):
    found = made(timed, tiny_bundle, before=lambda: forget.forget(timed, ["1"]))
    assert found == made(timed, tiny_bundle)
    forget.forget(timed, ["2", "3", "5"])
    assert catalog.run_sql(timed, "SELECT holders, tweets FROM recounts").rows() == [(0, 0)]
    assert said(timed) == [[], [], []]


def test_of_a_draw_the_holders_that_were_not_drawn_stay(timed, tiny_bundle):
    made(timed, tiny_bundle, most=2)
    drawn = timed.scan("recounted").collect()["tweet_id"]
    forget.forget(timed, [drawn[0]])
    assert catalog.run_sql(timed, "SELECT holders, tweets FROM recounts").rows() == [(3, 1)]


def test_a_suspect_is_no_control(store, tiny_bundle):
    (one,) = [t for t in recount.plan(store, tiny_bundle, ["🌻"], ["🌻", "et"], 9).tweets if t.tweet_id == "3"]
    assert (one.words, one.others) == (("🌻",), ("et",))


def test_a_store_that_this_version_classified_nothing_of(tmp_path, tiny_bundle):
    with pytest.raises(StoreError, match="no predictions of model"):
        recount.plan(stores.create(tmp_path / "new"), tiny_bundle, ["🌻"], [], 9)
