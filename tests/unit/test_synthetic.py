from __future__ import annotations

import json
import re
from functools import cache

import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from camembias import synthetic_templates as templates
from camembias import synthetic_vocabulary as vocabulary
from camembias.errors import InputError
from camembias.synthetic import PLANTS, SCHEMA, SHARES, Plant, ground_truth, tweets

COUNT = 20_000
# As the word splitter has it: an account, a hashtag, an emoji or a hyphenated compound is one word.
WORD = re.compile(r"https?://\S+|[@#]?\w+(?:-\w+)*|[^\w\s]")


def words(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))


@cache
def generated(planted: bool) -> pl.DataFrame:
    return tweets(COUNT, seed=0, planted=planted)


def rate_and_purity(frame: pl.DataFrame, plant: Plant) -> tuple[float, float]:
    labels = [label for text, label in frame.select("text", "label").iter_rows() if plant.word in words(text)]
    return len(labels) / frame.height, labels.count(plant.label) / len(labels)


def test_same_arguments_give_the_same_tweets() -> None:
    assert tweets(300, seed=4).equals(tweets(300, seed=4))
    assert not tweets(300, seed=4).equals(tweets(300, seed=5))
    assert not tweets(300, seed=4).equals(tweets(300, seed=4, planted=False))


def test_columns_and_times() -> None:
    frame = generated(True)
    assert frame.schema == SCHEMA
    assert frame.height == COUNT
    assert frame["created_at"].is_sorted()
    assert set(frame["created_at"].dt.year()) == {2023}
    assert frame.null_count().sum_horizontal().item() == 0


@pytest.mark.parametrize("count", [0, 1, 13])
def test_small_counts(count: int) -> None:
    frame = tweets(count)
    assert frame.height == count
    assert frame.schema == SCHEMA


@pytest.mark.parametrize(("count", "seed"), [(-1, 0), (1, -1), (1, 10**8)])
def test_arguments_out_of_range_are_refused(count: int, seed: int) -> None:
    with pytest.raises(InputError):
        tweets(count, seed)


def test_ids_are_unique_within_and_across_seeds() -> None:
    ids = [tweet_id for seed in (0, 1, 10**8 - 1) for tweet_id in tweets(500, seed)["tweet_id"]]
    assert len(set(ids)) == len(ids)
    assert {len(tweet_id) for tweet_id in ids} == {19}
    assert min(map(int, ids)) > 2**53


def test_label_shares() -> None:
    found = dict(generated(True)["label"].value_counts(normalize=True).iter_rows())
    assert found == {label: pytest.approx(share, abs=0.02) for label, share in SHARES.items()}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.word)
def test_planted_words_lean_as_declared(plant: Plant) -> None:
    rate, purity = rate_and_purity(generated(True), plant)
    assert rate == pytest.approx(plant.rate, rel=0.3)
    assert 0.85 <= purity <= 0.95


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.word)
def test_unplanted_words_are_as_frequent_but_do_not_lean(plant: Plant) -> None:
    rate, purity = rate_and_purity(generated(False), plant)
    assert rate == pytest.approx(plant.rate, rel=0.3)
    assert purity == pytest.approx(SHARES[plant.label], abs=0.08)


def test_neighbours_of_planted_words_do_not_lean() -> None:
    frame = generated(True).with_columns(pl.col("text").str.to_lowercase())
    for plant in PLANTS:
        for neighbour in vocabulary.NEUTRAL[plant.kind]:
            holding = frame.filter(pl.col("text").str.contains(neighbour.lower(), literal=True))
            assert holding.height > 50
            assert (holding["label"] == plant.label).mean() < 0.4, neighbour


def test_no_planted_word_is_a_concept_word() -> None:
    concepts = {word for group in vocabulary.CONCEPTS.values() for word in group}
    for plant in PLANTS:
        assert words(plant.word) == {plant.word}
        assert plant.word not in concepts


def test_vocabulary_is_consistent() -> None:
    assert set(vocabulary.CONCEPTS) == set(templates.TEMPLATES) == set(vocabulary.PHRASES) == set(SHARES)
    assert set(vocabulary.NEUTRAL) == set(vocabulary.CARRIERS) == {plant.kind for plant in PLANTS}
    chatter = vocabulary.CHATTER_STARTS + vocabulary.CHATTER_ENDS
    for label, concepts in vocabulary.CONCEPTS.items():
        assert all(word == word.lower() for word in concepts)
        assert len(templates.TEMPLATES[label]) >= 15
        for phrase in vocabulary.PHRASES[label] + vocabulary.HASHTAGS[label]:
            assert words(phrase) & set(concepts), phrase
        for neutral in chatter + templates.VAGUE + vocabulary.OPINIONS:
            assert not words(neutral) & set(concepts), neutral


def test_texts_are_tweet_sized_and_varied() -> None:
    frame = generated(True)
    lengths = frame["text"].str.split(" ").list.len()
    assert lengths.min() >= 5  # type: ignore[operator]
    assert lengths.max() <= 45  # type: ignore[operator]
    assert not frame["text"].str.contains(r"[{}]").any()
    assert frame["text"].n_unique() > 0.9 * COUNT
    assert frame["text"].str.starts_with("RT @").mean() == pytest.approx(0.06, abs=0.01)
    assert 0.5 * COUNT / 12 < frame["author"].n_unique() <= COUNT / 12


def test_retweets_keep_the_label_of_their_source() -> None:
    labels: dict[str, set[str]] = {}
    retweets = 0
    for text, label in generated(True).select("text", "label").iter_rows():
        if text.startswith("RT @"):
            retweets += 1
            assert label in labels[text.split(": ", 1)[1]]
        else:
            labels.setdefault(text, set()).add(label)
    assert retweets > 0


def test_a_linear_baseline_is_good_but_not_perfect() -> None:
    train, fresh = tweets(3000, seed=1), tweets(1000, seed=2)
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
    model.fit(train["text"].to_list(), train["label"].to_list())
    accuracy = model.score(fresh["text"].to_list(), fresh["label"].to_list())
    print(f"TF-IDF and logistic regression: accuracy {accuracy:.3f}")
    assert 0.75 < accuracy < 0.98


def test_ground_truth_is_json() -> None:
    truth = json.loads(json.dumps(ground_truth()))
    assert [Plant(**entry) for entry in truth] == list(PLANTS)
