"""Scores and intervals, held to scikit-learn, SciPy and numbers worked out by hand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from camembias.labels import Labels
from train import confusion, intervals
from train.scores import intervals as of_scores
from train.scores import metrics, overall

THREE = Labels(("avion", "nucléaire", "viande"))
PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def columns(pairs):
    return tuple(np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))


def frame(groups, authors=None):
    return pl.DataFrame(
        {"author": authors or [None] * len(groups), "duplicate_group": groups},
        schema={"author": pl.String(), "duplicate_group": pl.Int64()},
    )


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_scores_are_those_of_scikit_learn(pairs):
    truth, said = columns(pairs)
    found, ids = metrics(truth, said, THREE), [0, 1, 2]
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, said))
    assert found["mcc"] == pytest.approx(reference.matthews_corrcoef(truth, said))
    macro = reference.f1_score(truth, said, labels=ids, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(macro)
    each = reference.precision_recall_fscore_support(truth, said, labels=ids, zero_division=0)
    for at, row in enumerate(found["per_label"].values()):
        assert list(row.values()) == pytest.approx([column[at] for column in each])
    assert found["confusion_matrix"] == reference.confusion_matrix(truth, said, labels=ids).tolist()


def test_scores_by_hand():
    # 4 avion (3 found), 2 viande (both found, one avion called viande): F1 6/7 and 4/5
    truth, said = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    found = metrics(truth, said, Labels(("avion", "viande")))
    assert found["accuracy"] == pytest.approx(5 / 6)
    assert found["macro_f1"] == pytest.approx((6 / 7 + 4 / 5) / 2)
    assert found["mcc"] == pytest.approx((3 * 2 - 1 * 0) / np.sqrt(3 * 3 * 4 * 2))  # two labels: phi
    assert found["majority_share"] == pytest.approx(4 / 6)


@settings(max_examples=20, deadline=None)
@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_interval(pairs, dice):
    rows = [(truth, said, group % 13) for group, (truth, said) in enumerate(pairs)]
    found = []
    for _ in range(2):
        truth, said, groups = columns(rows)
        drawn = intervals.bootstrap(truth, [said], 3, intervals.clusters(frame(groups.tolist())))
        found.append(overall(truth, said, drawn[0], THREE))
        dice.shuffle(rows)
    assert found[0] == found[1]


def test_single_tweets_give_the_interval_of_a_binomial_share():
    # one cluster a tweet: resampled accuracy is Binomial(400, 0.8) / 400 exactly
    truth = np.zeros(400, dtype=np.int64)
    said = np.array([0] * 320 + [1] * 80)
    by = intervals.clusters(frame(list(range(400))))
    (drawn,) = intervals.bootstrap(truth, [said], 2, by)
    low, high = intervals.percentiles(confusion.accuracy, drawn)
    assert [low, high] == pytest.approx(stats.binom(400, 0.8).ppf([0.025, 0.975]) / 400, abs=0.006)


def test_authors_are_drawn_whole():
    # 20 authors of 20 tweets, all right or all wrong: only 20 independent observations
    truth = np.zeros(400, dtype=np.int64)
    said = np.repeat([0] * 16 + [1] * 4, 20)
    authors = [f"auteur_{row // 20}" for row in range(400)]
    by = intervals.clusters(frame(list(range(400)), authors))
    assert (by.unit, by.count) == ("author", 20)
    (drawn,) = intervals.bootstrap(truth, [said], 2, by)
    low, high = intervals.percentiles(confusion.accuracy, drawn)
    assert [low, high] == pytest.approx(stats.binom(20, 0.8).ppf([0.025, 0.975]) / 20, abs=0.051)


def test_a_tweet_without_author_counts_with_its_duplicates():
    by = intervals.clusters(frame([1, 1, 2, 3], ["a", None, "a", None]))
    assert by.count == 3
    assert by.of_row[0] == by.of_row[2]
    assert intervals.clusters(frame([5, 5, 6])).unit == "duplicate group"
    # an author who is called like a group is not that group
    assert intervals.clusters(frame([1, 2], ["2", None])).count == 2


def test_too_few_clusters_and_no_error_give_no_interval_and_say_so():
    truth = np.array([0, 1, 2] * 10)
    few = intervals.clusters(frame([row % 9 for row in range(30)]))
    (drawn,) = intervals.bootstrap(truth, [truth], 3, few)
    found = of_scores(metrics(truth, truth, THREE), drawn, few)
    assert found["macro_f1"] is None
    assert "9 duplicate groups" in found["none_because"]
    enough = intervals.clusters(frame(list(range(20)) + list(range(10))))
    (drawn,) = intervals.bootstrap(truth, [truth], 3, enough)
    found = of_scores(metrics(truth, truth, THREE), drawn, enough)
    assert found["accuracy"] is None
    # 20 of 20 right: the bound solves p^20 = 0.025
    assert f"{0.025 ** (1 / 20):.3f}" in found["none_because"]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.data())
def test_clopper_pearson_is_that_of_scipy(total, data):
    right = data.draw(st.integers(0, total))
    expected = stats.binomtest(right, total).proportion_ci(0.95, method="exact")
    assert intervals.share_interval(right, total) == pytest.approx([expected.low, expected.high])
    one_sided = stats.binomtest(right, total, alternative="greater").proportion_ci(0.95, method="exact")
    assert intervals.lower_bound(right, total) == pytest.approx(one_sided.low)


def test_differences_are_paired():
    # the same errors on both sides: each score varies between resamples, their difference never does
    truth = np.array([0, 1] * 50)
    said = np.where(np.arange(100) < 20, 0, truth)
    drawn = intervals.bootstrap(truth, [said, said], 2, intervals.clusters(frame(list(range(100)))))
    assert np.array_equal(drawn[0], drawn[1])
    assert intervals.percentiles(confusion.macro_f1, drawn[0]) is not None


def test_resampled_matrices_are_those_of_full_tables():
    dice = np.random.default_rng(5)
    truth, said = dice.integers(0, 4, 200), [dice.integers(0, 4, 200) for _ in range(2)]
    by = intervals.clusters(frame(dice.integers(0, 60, 200).tolist()))
    full = np.zeros((by.count, 32))
    for place, predicted in enumerate(said):
        np.add.at(full, (by.of_row, place * 16 + truth * 4 + predicted), 1)
    kinds, of_kind = np.unique(full, axis=0, return_counts=True)
    draws = np.random.default_rng(7).multinomial(by.count, of_kind / by.count, size=intervals.RESAMPLES)
    expected = (draws @ kinds).reshape(intervals.RESAMPLES, 2, 4, 4)
    for place, drawn in enumerate(intervals.bootstrap(truth, said, 4, by, seed=7)):
        assert np.array_equal(drawn, expected[:, place])
