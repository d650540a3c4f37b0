"""Temperature, calibration error, and the promise of abstention."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import optimize, stats

from camembias.labels import Labels
from train import abstention
from train.calibration import confidence, fit_temperature, probabilities, reliability

LOGITS = arrays.arrays(np.float32, (12, 3), elements=st.floats(-20, 20, width=32))


def drawn_from(logits, dice):
    """Labels drawn with exactly the probabilities that `logits` state."""
    shares = probabilities(logits).cumsum(axis=1)
    return np.minimum((dice.random((len(logits), 1)) > shares).sum(axis=1), logits.shape[1] - 1)


@given(LOGITS, st.floats(0.5, 5))
def test_a_temperature_changes_no_label(logits, temperature):
    scaled, best = probabilities(logits, temperature), logits.argmax(axis=1)
    assert scaled.sum(axis=1) == pytest.approx(1)
    assert (scaled[np.arange(len(best)), best] == scaled.max(axis=1)).all()


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 1.0), (2.5, 2.5), (0.2, 0.5), (20.0, 5.0)])
def test_the_temperature_undoes_a_factor_within_its_limits(factor, expected):
    dice = np.random.default_rng(3)
    logits = dice.normal(0, 2, (4000, 4)).astype(np.float32)
    truth = drawn_from(logits, dice)
    assert fit_temperature(logits * np.float32(factor), truth) == pytest.approx(expected, rel=0.08)


def test_the_temperature_has_the_least_loss_of_a_grid():
    dice = np.random.default_rng(4)
    logits = dice.normal(0, 3, (80, 3)).astype(np.float32)
    truth = dice.integers(0, 3, 80)

    def loss(temperature):
        return -np.log(probabilities(logits, temperature)[np.arange(80), truth]).mean()

    grid = optimize.brute(lambda t: loss(t[0]), ((0.5, 5),), Ns=4000, finish=None)
    assert fit_temperature(logits, truth) == pytest.approx(float(grid), abs=0.01)
    assert fit_temperature(logits[:0], truth[:0]) == 1.0


def test_calibration_error_by_hand():
    # two bins of 20: sure 0.6, right 15 of 20; sure 0.9, right 16 of 20: (0.15 + 0.1) / 2
    sure = np.array([0.6] * 20 + [0.9] * 20)
    right = np.array([True] * 15 + [False] * 5 + [True] * 16 + [False] * 4)
    found = reliability(sure, right)
    assert found["ece"] == pytest.approx(0.125)
    assert [(row["tweets"], row["accuracy"]) for row in found["bins"]] == [(20, 0.75), (20, 0.8)]


def test_equal_confidences_share_a_bin():
    # sorted by being right they would look badly calibrated; they are not
    assert reliability(np.full(100, 0.5), np.arange(100) % 2 == 0)["ece"] == pytest.approx(0)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=90), st.randoms(use_true_random=False))
def test_the_order_of_tweets_changes_no_calibration_error(rows, dice):
    before = reliability(*map(np.array, zip(*rows, strict=True)))
    dice.shuffle(rows)
    after = reliability(*map(np.array, zip(*rows, strict=True)))
    assert after["ece"] == pytest.approx(before["ece"])
    assert sum(row["tweets"] for row in after["bins"]) == len(rows)


def test_what_a_calibrated_model_would_show_is_what_one_shows():
    dice = np.random.default_rng(6)
    sure = dice.uniform(0.4, 1, 300)
    shown = [reliability(sure, dice.random(300) < sure)["ece"] for _ in range(60)]
    assert reliability(sure, sure > 0.5)["if_calibrated"] == pytest.approx(np.mean(shown), rel=0.15)


def test_a_threshold_by_hand():
    # 59 right answers at 0.9 support 95 %: 0.95^59 < 0.05 <= 0.95^58
    assert abstention.fewest(0.95) == 59
    enough, right = np.full(59, 0.9), np.ones(59, dtype=bool)
    found = abstention.threshold(enough, right, 0.95, 4)
    assert found == pytest.approx(1 / 4)  # nothing below 0.9 speaks against it: every tweet is kept
    assert abstention.threshold(enough[:58], right[:58], 0.95, 4) is None
    # 50 wrong answers at 0.5: the threshold lies between
    found = abstention.threshold(np.append(enough, np.full(50, 0.5)), np.append(right, [False] * 50), 0.95, 4)
    assert 0.5 < found < 0.53


def test_no_threshold_is_explained():
    right = np.arange(200) % 4 > 0
    assert abstention.threshold(np.full(200, 0.9), right, 0.95, 4) is None
    assert "cannot support a bound of 95%" in abstention.why_none(np.full(200, 0.9), right, 0.95)
    assert "at least 59 independent" in abstention.why_none(np.full(20, 0.9), right[:20], 0.95)
    assert abstention.threshold(np.zeros(0), np.zeros(0, dtype=bool), 0.95, 4) is None


@pytest.mark.parametrize(
    "true_precision", [lambda sure: sure, lambda sure: 0.80 + 0.19 * sure, lambda sure: 0.9 + 0 * sure]
)
def test_the_promise_is_broken_at_most_once_in_twenty(true_precision):
    """300 calibration sets; the true precision above a threshold is known, because the labels are invented."""
    dice, broken = np.random.default_rng(8), 0
    everyone = dice.uniform(0.3, 1, 200_000)
    truth = true_precision(everyone)
    for _ in range(300):
        sure = dice.uniform(0.3, 1, 400)
        limit = abstention.threshold(sure, dice.random(400) < true_precision(sure), 0.9, 4)
        if limit is not None:
            broken += truth[everyone >= limit].mean() < 0.9 - 1e-9
    # 15 are expected at the most; 24 would happen by chance in 1 of 100 runs then
    assert broken <= stats.binom(300, 0.05).ppf(0.99)


def test_the_promise_holds_for_the_best_of_twenty_models_too():
    """Twenty models, each right on 89.7 % at any confidence: the one that does best on 300 tweets looks better."""
    dice, broken = np.random.default_rng(1), {1: 0, 20: 0}
    for _ in range(300):
        sure = dice.uniform(0.5, 1, 300)
        own, common = dice.random((20, 300)), dice.random(300)
        right = np.where(dice.random((20, 300)) < 0.5, own, common) < 0.897
        best = right[right.mean(axis=1).argmax()]
        for models in broken:
            broken[models] += abstention.threshold(sure, best, 0.9, 4, models) is not None
    most = stats.binom(300, 0.05).ppf(0.99)
    assert broken[1] > most >= broken[20]
    assert "chosen among 20" in abstention.why_none(sure[:50], best[:50], 0.9, 20)


def test_thresholds_are_found_where_the_data_support_one():
    dice = np.random.default_rng(9)
    sure = dice.uniform(0.3, 1, 3000)
    limit = abstention.threshold(sure, dice.random(3000) < sure, 0.9, 4)
    assert 0.8 <= limit < 0.87  # above 0.8 the mean is 0.9; the bound asks for a little more
    found = abstention.realised(sure, dice.random(3000) < sure, limit)
    assert found["coverage"] == pytest.approx((1 - limit) / 0.7, abs=0.03)
    assert found["interval"][0] <= found["precision"] <= found["interval"][1]


def test_copies_of_a_text_are_one_piece_of_evidence():
    assert abstention.one_per_group([7, 7, 3, 7], ["30", "10", "20", "40"]).tolist() == [1, 2]


def test_tweets_of_none_of_the_labels():
    logits = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.45, 0.55], [0.2, 0.8]])).astype(np.float32)
    found = abstention.elsewhere(logits, 1.0, 0.7, Labels(("avion", "viande")))
    assert found["abstained"] == pytest.approx(0.5)
    assert found["labels"]["avion"] == {"said": 0.5, "kept": 0.25}
    assert found["labels"]["viande"] == {"said": 0.5, "kept": 0.25}
    none = abstention.elsewhere(logits, 1.0, None, Labels(("avion", "viande")))
    assert none["abstained"] is None
    assert none["labels"]["avion"]["kept"] == 0.5
    assert confidence(logits).tolist() == pytest.approx([0.9, 0.6, 0.55, 0.8])
