"""Poisson samples with permanent random numbers: exact sizes, unbiased totals of several designs, nothing twice."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camembias import catalog, progress, requests, sampling
from camembias import store as stores
from camembias.bundle import Bundle
from camembias.errors import InputError, StoreError
from camembias.labels import DEFAULT_LABELS
from camembias.requests import How
from camembias.schemas import TABLES
from camembias.store import Store
from camembias.text import words

DAY = datetime(2026, 3, 1, tzinfo=UTC)
ALL = How(DEFAULT_LABELS)
COUNT = 240


def fill(store: Store, bundle: Bundle) -> None:
    """240 classified tweets: 200 of one label, 40 of another; every eighth holds a rare word."""
    ids = [str(10**18 + number) for number in range(COUNT)]
    rare = ["lapin", "ours"]
    texts = [
        f"le train {'et le ' + rare[n % 3 != 0] if n % 8 == 0 else 'va'} numéro {n} {'vite' * (n % 2)}"
        for n in range(COUNT)
    ]
    same = {"model_version": bundle.model_version, "serving_version": bundle.serving_version, "classified_at": DAY}
    predictions = [
        {**same, "tweet_id": one, "label": "avion" if n < 200 else "viande", "margin": n % 7 / 2, "run_id": "r"}
        for n, one in enumerate(ids)
    ]
    tweets = [{"tweet_id": one, "text": text, "seen_at": DAY} for one, text in zip(ids, texts, strict=True)]
    store.write("predictions", "p", pl.DataFrame(predictions, schema=TABLES["predictions"]))
    store.write("tweets", "p", pl.DataFrame(tweets, schema=TABLES["tweets"]))
    store.register_model(bundle)
    catalog.refresh(store)


@pytest.fixture
def store(tmp_path: Path, tiny_bundle: Bundle) -> Store:
    made = stores.create(tmp_path / "store")
    fill(made, tiny_bundle)
    return made


def explain_all(store: Store, batches: tuple[str, ...], when: datetime | None = None) -> None:
    """As a worker would, in a blink."""
    for batch in batches:
        rows = store.read("requests", batch).explode("targets").rename({"targets": "target"})
        zeros = {name: pl.lit(0.0) for name in ("logit", "logit_baseline", "delta", "special_score", "relative_error")}
        made = rows.with_columns(
            converged=pl.lit(True), duration_ms=pl.lit(25.0), computed_at=pl.lit(when or stores.now()), **zeros
        )
        missing = {name: pl.lit(None, dtype) for name, dtype in TABLES["explanations"].items() if name not in made}
        store.write("explanations", batch, made.with_columns(**missing))


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 5000), min_size=1, max_size=20),
    st.floats(0.5, 1e5),
    st.floats(0, 1),
)
def test_the_probabilities_add_up_to_the_size_asked_for(sizes, total, power):
    weights = {key: size**-power for key, size in sizes.items()}
    rates = sampling.allocate(sizes, weights, total)
    assert set(rates) == set(sizes)
    assert all(0 < rate <= 1 for rate in rates.values())
    assert sum(sizes[key] * rates[key] for key in sizes) == pytest.approx(min(total, sum(sizes.values())), rel=1e-9)
    below = {key: rate for key, rate in rates.items() if rate < 1}
    ratios = [rate / weights[key] for key, rate in below.items()]
    assert max(ratios, default=1) == pytest.approx(
        min(ratios, default=1)
    )  # in proportion to the weights, unless capped


def test_rates_by_hand():
    sizes = {"small": 4, "middle": 100, "large": 400}
    weights = {key: 1 / math.sqrt(size) for key, size in sizes.items()}
    # takes in proportion to 2 : 10 : 20, so 16 of 32 tweets: c = 0.5
    assert sampling.allocate(sizes, weights, 16) == pytest.approx({"small": 0.25, "middle": 0.05, "large": 0.025})
    # c = 6: small is full, and the other two share what is left
    rates = sampling.allocate(sizes, weights, 184)
    assert rates == pytest.approx({"small": 1.0, "middle": 0.6, "large": 0.3})


def test_small_strata_are_raised(store, tiny_bundle):
    strata = sampling.stratified(sampling.frame_of(store, tiny_bundle))
    counts = Counter(strata.keys)
    assert counts.total() == COUNT
    assert {key.split("/")[0] for key in counts} == {"avion", "viande"}
    assert {key.split("/")[1] for key in counts} == {"unsure", "middling", "sure"}
    rates = sampling.allocate(counts, strata.weights, 60)
    assert rates["viande/sure"] > 2 * rates["avion/sure"]
    assert sum(counts[key] * rates[key] for key in counts) == pytest.approx(60)


def test_a_tweet_belongs_to_its_rarest_candidate_and_others_are_not_drawn():
    texts = ["le lapin", "le train, lapin", "train", "train", "rien", "L'OURS", "oursons"]
    strata = sampling.by_word(texts, ["train", "lapin", "ours"])
    assert strata.keys.to_list() == ["lapin", "lapin", "train", "train", None, "ours", None]
    assert strata.weights == pytest.approx({"lapin": 2**-0.5, "train": 3**-0.5, "ours": 1.0})


@pytest.mark.parametrize("strategy", sampling.STRATEGIES)
def test_a_sample_asked_twice_is_asked_once_and_passes_every_check(store, tiny_bundle, strategy):
    first = requests.ask_sample(store, tiny_bundle, 20, strategy, ALL, ["lapin", "ours"])
    assert first.tweets > 0
    assert first.explanations == first.tweets * 4
    again = requests.ask_sample(store, tiny_bundle, 20, strategy, ALL, ["lapin", "ours"])
    assert (again.batches, again.tweets) == ((), 0)
    assert set(again.waiting) == set(first.batches)
    explain_all(store, first.batches)
    third = requests.ask_sample(store, tiny_bundle, 20, strategy, ALL, ["lapin", "ours"])
    assert (third.all_batches, third.tweets) == ((), 0)
    assert store.scan("designs").collect().height == 1
    design = store.scan("designs").collect().to_dicts()[0]
    assert sum(one["tweets"] * one["rate"] for one in design["rates"]) == pytest.approx(design["expected"]) == 20
    catalog.refresh(store)
    assert catalog.failed_checks(store) == {}


def test_a_larger_sample_holds_the_smaller_one_and_again_asks_all(store, tiny_bundle):
    small = requests.ask_sample(store, tiny_bundle, 20, "uniform", ALL)
    explain_all(store, small.batches)
    large = requests.ask_sample(store, tiny_bundle, 60, "uniform", ALL)
    assert set(small.tweet_ids) < set(large.tweet_ids)
    assert large.tweets == len(large.tweet_ids) - len(small.tweet_ids)
    repeated = requests.ask_tweets(store, tiny_bundle, list(small.tweet_ids), How(DEFAULT_LABELS, again=True))
    assert repeated.tweets == len(small.tweet_ids)
    assert set(repeated.batches) <= set(
        progress.unfinished(store, tiny_bundle.model_version)
    )  # not done by the old ones


def test_words_that_no_tweet_holds_and_unknown_tweets_are_named(store, tiny_bundle):
    with pytest.raises(InputError, match="no tweet can be drawn"):
        requests.ask_sample(store, tiny_bundle, 20, "word", ALL, ["zèbre"])
    with pytest.raises(InputError, match="tweet '404' is not among"):
        requests.ask_tweets(store, tiny_bundle, ["404"], ALL)
    with pytest.raises(InputError, match="--sample 0"):
        requests.ask_sample(store, tiny_bundle, 0, "uniform", ALL)
    assert store.scan("designs").collect().is_empty()


def test_a_store_without_predictions_of_the_model_is_named(tmp_path, tiny_bundle):
    with pytest.raises(StoreError, match="has no predictions of model"):
        requests.ask_sample(stores.create(tmp_path / "other"), tiny_bundle, 5, "uniform", ALL)


def test_a_sample_of_one_label_only_takes_no_part_in_estimates(store, tiny_bundle):
    asked = requests.ask_sample(store, tiny_bundle, 20, "uniform", How(()))
    rows = pl.concat([store.read("requests", batch) for batch in asked.batches])
    assert rows["design_id"].null_count() == rows.height
    assert rows["targets"].to_list() == [[label] for label in rows["label"]]
    assert store.scan("draws").collect().is_empty()


def test_a_text_is_asked_for_all_labels_and_once(store, tiny_bundle):
    asked = requests.ask_text(store, tiny_bundle, "  Vive   le train ", How(("viande",)))
    assert store.read("requests", asked.batches[0])["targets"].to_list() == [list(DEFAULT_LABELS)]
    assert store.read("request_texts", asked.batches[0])["text"].to_list() == ["Vive le train"]
    assert asked.urgent
    explain_all(store, asked.batches)
    assert requests.ask_text(store, tiny_bundle, "Vive le train", ALL).tweets == 0
    with pytest.raises(InputError, match="empty"):
        requests.ask_text(store, tiny_bundle, " \u200b ", ALL)


def test_a_batch_is_two_seconds_of_measured_work(store, tiny_bundle):
    assert requests.ms_per_character(store, tiny_bundle.model_version) is None
    asked = requests.ask_sample(store, tiny_bundle, 40, "uniform", ALL)
    sizes = [store.read("requests", batch).height for batch in asked.batches]
    assert (max(sizes), sum(sizes)) == (16, asked.tweets)
    explain_all(store, asked.batches)  # 25 ms each
    words = [{"word": "le", "surface": "le", "start": 0, "stop": 2, "score": 0.0}, {"start": 3, "stop": 99}]
    for batch in asked.batches:
        rows = store.read("explanations", batch)
        store.write("explanations", batch, rows.with_columns(words=pl.Series([words] * len(rows))))
    ms = requests.ms_per_character(store, tiny_bundle.model_version)
    assert ms == pytest.approx(0.25)  # 100 characters, the end counted
    assert requests.ms_per_character(store, "another") is None
    rows = pl.DataFrame({"text": ["x" * 99] * 45, "targets": [list("abcd")] * 45})
    assert [len(part) for part in requests.batches(rows, ms)] == [20, 20, 5]
    alone = rows.with_columns(targets=pl.lit(["a"]))
    assert [len(part) for part in requests.batches(alone, ms)] == [45]


@given(st.lists(st.integers(0, 400), max_size=600), st.none() | st.floats(0.001, 100))
def test_batches_hold_every_row_in_order_and_none_more_than_one_long_one_over_the_work(lengths, ms):
    rows = pl.DataFrame(
        {"text": ["x" * length for length in lengths], "targets": [["a", "b"]] * len(lengths)},
        schema={"text": pl.String, "targets": pl.List(pl.String)},
    )
    made = list(requests.batches(rows, ms))
    assert [text for part in made for text in part["text"]] == rows["text"].to_list()
    for part in made:
        work = sum(2 * (len(text) + 1) * (ms or 0) for text in part["text"])
        assert 1 <= len(part) <= (256 if ms else 16)
        assert len(part) == 1 or work <= requests.BATCH_MS * 1.001


def test_urgent_requests_do_not_wait_for_sampled_ones(store, tiny_bundle):
    sampled = requests.ask_sample(store, tiny_bundle, 60, "uniform", ALL)
    one = sampled.tweet_ids[0]
    urgent = requests.ask_tweets(store, tiny_bundle, [one], ALL)
    assert urgent.tweets == 1
    assert requests.ask_tweets(store, tiny_bundle, [one], ALL).waiting == urgent.batches
    assert requests.is_urgent(store, urgent.batches[0])
    assert not requests.is_urgent(store, sampled.batches[0])


def test_progress_tells_explained_failed_waiting_and_others(store, tiny_bundle):
    asked = requests.ask_sample(store, tiny_bundle, 100, "uniform", ALL)
    done, failed, *rest = asked.batches
    explain_all(store, (done,))
    lost = store.read("requests", failed).select("batch", "tweet_id", "model_version")
    missing = {name: pl.lit(None, dtype) for name, dtype in TABLES["failures"].items() if name not in lost}
    store.write("failures", failed, lost.with_columns(**missing))
    [row] = progress.summary(store).to_dicts()
    assert (row["requested"], row["explained"], row["failed"]) == (asked.explanations, 64, 64)
    assert (row["running"], row["waiting"]) == (0, asked.explanations - 128)
    assert progress.unfinished(store, tiny_bundle.model_version) == sorted(rest)
    assert progress.waiting_for_others(store, tiny_bundle.model_version) == {}
    assert progress.waiting_for_others(store, "another") == {tiny_bundle.model_version: asked.tweets - 32}
    states = progress.of_batches(store, [done, failed, rest[0]])
    assert [finished for _, finished in states.values()] == [True, True, False]
    assert progress.rates(store)[tiny_bundle.model_version] > 0


def test_totals_of_two_overlapping_designs_are_unbiased_over_500_draws(store, tiny_bundle, monkeypatch):
    """Horvitz-Thompson totals; the variance of a Poisson sample is Σ y² (1 - π) / π exactly (Särndal et al. 1992)."""
    frame = sampling.frame_of(store, tiny_bundle)
    texts = sampling.texts_of(store, frame["tweet_id"])["text"].to_list()
    designs = [sampling.stratified(frame), sampling.by_word(texts, ["lapin", "ours"]), sampling.uniform(frame)]
    value = np.array([1.0 + (n % 5) + 10 * (n % 8 == 0) for n in range(COUNT)])
    pi = np.zeros(COUNT)
    for strata, size in zip(designs, (30, 12, 25), strict=True):
        rates = sampling.allocate(Counter(key for key in strata.keys if key), strata.weights, size)
        pi = np.maximum(pi, [rates.get(key, 0.0) for key in strata.keys])
    totals = []
    for number in range(500):
        monkeypatch.setattr(sampling, "seed_of", lambda _, number=number: f"{number:032x}")
        drawn: dict[str, float] = {}
        for strata, size in zip(designs, (30, 12, 25), strict=True):
            found = sampling.draw(store, tiny_bundle, strata, frame, size, "ig", "mask").drawn
            for tweet, rate in found.select("tweet_id", "pi").iter_rows():
                drawn[tweet] = max(drawn.get(tweet, 0.0), rate)  # as the view does: among the designs that drew it
        chosen = np.array([tweet in drawn for tweet in frame["tweet_id"]])
        assert np.allclose([drawn[tweet] for tweet in frame["tweet_id"].filter(pl.Series(chosen))], pi[chosen])
        totals.append((value[chosen] / pi[chosen]).sum())
    variance = (value**2 * (1 - pi) / pi).sum()
    error = (np.mean(totals) - value.sum()) / math.sqrt(variance / 500)
    assert abs(error) < 4
    assert np.var(totals) == pytest.approx(variance, rel=0.3)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_view_inclusion_is_the_largest_probability_of_any_design(data, tmp_path_factory, tiny_bundle):
    store = stores.create(tmp_path_factory.mktemp("designs") / "s")
    fill(store, tiny_bundle)
    frame = sampling.frame_of(store, tiny_bundle)
    pi = np.zeros(COUNT)
    for _ in range(data.draw(st.integers(1, 3))):
        strategy, size = data.draw(st.sampled_from(sampling.STRATEGIES)), data.draw(st.integers(1, 260))
        names = data.draw(st.lists(st.sampled_from(["lapin", "ours", "vite", "numéro"]), min_size=1, unique=True))
        requests.ask_sample(store, tiny_bundle, size, strategy, ALL, names)
        texts = sampling.texts_of(store, frame["tweet_id"])["text"].to_list()
        strata = {"uniform": sampling.uniform, "stratified": sampling.stratified}
        made = sampling.by_word(texts, names) if strategy == "word" else strata[strategy](frame)
        rates = sampling.allocate(Counter(key for key in made.keys if key), made.weights, size)
        pi = np.maximum(pi, [rates.get(key, 0.0) for key in made.keys])
    catalog.refresh(store)
    view = {
        row["tweet_id"]: (row["pi"], row["u"])
        for row in catalog.run_sql(store, "SELECT * FROM inclusion").iter_rows(named=True)
    }
    numbers = [sampling.permanent_random_number(sampling.seed_of(store), tweet) for tweet in frame["tweet_id"]]
    expected = {tweet: (rate, u) for tweet, rate, u in zip(frame["tweet_id"], pi, numbers, strict=True) if u < rate}
    assert view == expected
    assert catalog.failed_checks(store) == {}


def test_as_many_other_tweets_are_another_design(store, tiny_bundle):
    requests.ask_sample(store, tiny_bundle, 60, "uniform", ALL)
    before = store.part_names("designs")
    predictions, texts = (store.read(table, "p") for table in ("predictions", "tweets"))
    other = pl.when(pl.col("tweet_id").str.slice(-1).is_in(["1", "2", "3"])).then("9" + pl.col("tweet_id"))
    other = other.otherwise("tweet_id")
    store.replace("predictions", "p", predictions.with_columns(tweet_id=other))  # as many were forgotten and came
    store.replace("tweets", "p", texts.with_columns(tweet_id=other))
    requests.ask_sample(store, tiny_bundle, 60, "uniform", ALL)
    assert len(store.part_names("designs")) == len(before) + 1
    assert catalog.failed_checks(store) == {}
    requests.ask_sample(store, tiny_bundle, 60, "uniform", ALL)
    assert len(store.part_names("designs")) == len(before) + 1


def test_hand_picked_tweets_have_no_inclusion_probability(store, tiny_bundle):
    requests.ask_tweets(store, tiny_bundle, [str(10**18)], ALL)
    assert catalog.run_sql(store, "SELECT * FROM inclusion").is_empty()


def test_the_checks_see_what_was_tampered_with(store, tiny_bundle):
    asked = requests.ask_sample(store, tiny_bundle, 40, "uniform", ALL)
    [name] = store.part_names("draws")
    store.write("draws", name, store.read("draws", name).with_columns(pi=pl.lit(1e-9)))
    assert catalog.failed_checks(store) == {"draw_without_right": asked.tweets}
    store.write("draws", name, store.read("draws", name).head(0))
    assert catalog.failed_checks(store) == {"sampled_request_without_draw": asked.tweets}
    store.write("designs", name, store.read("designs", name).with_columns(expected=pl.lit(50.0)))
    assert "design_size" in catalog.failed_checks(store)


def test_candidate_words_come_from_training(store, tiny_bundle):
    with pytest.raises(InputError, match="no training words"):
        sampling.candidate_words(store, tiny_bundle)
    rows = [
        {"model_version": tiny_bundle.model_version, "tweet": str(n), "duplicate_group": n, "split": "train",
         "label": "avion" if n % 2 else "viande", "words": ["le", "vol" if n % 2 else "steak"]}
        for n in range(20)
    ]  # fmt: skip
    store.write("training_words", "w", pl.DataFrame(rows, schema=TABLES["training_words"]))
    catalog.refresh(store)
    assert sampling.candidate_words(store, tiny_bundle) == ["steak", "vol"]
    assert {word.word for word in words("le vol")} == {"le", "vol"}


def test_words_get_as_many_explained_texts_as_they_should_have(store: Store, tiny_bundle: Bundle) -> None:
    """30 tweets hold `lapin` or `ours`, 10 and 20 of them; `<number>` stands in every one."""
    held = [("lapin", 10), ("ours", 20)]
    texts = sampling.texts_of(store, sampling.frame_of(store, tiny_bundle)["tweet_id"])["text"].to_list()
    strata = sampling.reaching(texts, ["lapin", "ours", "<number>"], 12)
    assert strata.weights == {"lapin": 1.0, "ours": 12 / 20, "<number>": 12 / COUNT}
    assert Counter(strata.keys) == {"lapin": 10, "ours": 20, "<number>": COUNT - 30}
    asked, served = requests.ask_words(store, tiny_bundle, ["lapin", "ours"], 12, 1000, ALL)
    assert served == ("lapin", "ours")
    (design,) = store.scan("designs").collect().iter_rows(named=True)
    assert design["expected"] == pytest.approx(10 + 12)
    assert {row["key"]: row["rate"] for row in design["rates"]} == pytest.approx({"lapin": 1.0, "ours": 12 / 20})
    drawn = store.scan("draws").collect()
    assert {dict(held)[key] for key in drawn["key"].unique()} == {10, 20}
    assert asked.tweets == drawn.height
    explain_all(store, asked.batches)
    again, _ = requests.ask_words(store, tiny_bundle, ["lapin", "ours"], 12, 1000, ALL)
    assert again.tweets == 0  # what was drawn once is drawn again, and is explained


def test_a_budget_serves_the_first_words(store: Store, tiny_bundle: Bundle) -> None:
    asked, served = requests.ask_words(store, tiny_bundle, ["lapin", "ours"], 12, 11, ALL)
    assert served == ("lapin",)
    assert asked.tweets == 10
    little, served = requests.ask_words(store, tiny_bundle, ["ours", "lapin"], 20, 4, ALL)
    assert served == ("ours",)
    assert 0 < little.tweets < 20  # about four, as all of a Poisson sample
    assert requests.ask_words(store, tiny_bundle, ["absent"], 12, 10, ALL) == (requests.Asked(()), ())
