"""The marks of the exam, on findings small enough to mark by hand."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import polars as pl
import pytest

from camembias import exam
from camembias import synthetic_vocabulary as vocabulary
from camembias.concepts import read
from camembias.synthetic import Plant, tweets
from camembias.text import normalise, words

PLANTED = (Plant("@relais", "handle", "avion", 0.02, 0.9), Plant("🦊", "emoji", "viande", 0.02, 0.6))


def truth(**changes: float) -> exam.Truth:
    """The model uses the account and ignores the fox; `menu` is topical, `donc` is not."""
    effects = {("@relais", "avion"): 0.8, ("🦊", "viande"): 0.1, ("menu", "viande"): 0.5, ("donc", "avion"): 0.5}
    effects |= {("@relais", "viande"): -0.6}
    association = {
        ("@relais", "avion"): 9.0,
        ("@relais", "viande"): -5.0,
        ("🦊", "viande"): 9.0,
        ("menu", "viande"): 6.0,
    }
    return exam.Truth(PLANTED, association, effects, changes.get("floor", 0.2))


def verdicts(*rows: tuple[str, str, str]) -> pl.DataFrame:
    names = {"word": pl.String(), "label": pl.String(), "verdict": pl.String()}
    known = pl.DataFrame(rows, schema=names, orient="row")
    return known.with_columns(docs=pl.lit(60), tweets=pl.lit(60), p_verdict=pl.lit(0.001), q_verdict=pl.lit(0.01))


def test_every_kind_is_planted_at_every_purity() -> None:
    planted = exam.plants(3)
    assert planted == exam.plants(3) != exam.plants(4)
    kinds = set(vocabulary.NEUTRAL)
    assert Counter((plant.kind, plant.purity) for plant in planted) == Counter(product(kinds, exam.PURITIES))
    assert set(Counter(plant.label for plant in planted).values()) == {6}
    assert set(Counter(plant.rate for plant in planted).values()) == {10}


def test_planted_words_are_one_word_each_and_stand_nowhere_else() -> None:
    concepts = {word for found in read().values() for word in found} | set().union(*vocabulary.CONCEPTS.values())
    unplanted = {span.word for text in tweets(3000, seed=1)["text"] for span in words(normalise(text))}
    for plant in exam.plants(1):
        assert [span.word for span in words(normalise(plant.word))] == [plant.word]
        assert plant.word not in concepts | unplanted


def test_planted_words_lean_as_declared() -> None:
    planted = exam.plants(2)
    labelled = tweets(20_000, seed=2, plants=planted)
    z = exam.associations(labelled)
    held = [(plant, [label for text, label in labelled.select("text", "label").iter_rows()
                     if plant.word in {span.word for span in words(text)}]) for plant in planted[::5]]  # fmt: skip
    for plant, labels in held:
        assert len(labels) / 20_000 == pytest.approx(plant.rate, rel=0.3)
        assert labels.count(plant.label) / len(labels) == pytest.approx(plant.purity, abs=0.08)
        assert z[plant.word, plant.label] > exam.LEAST_Z
    # A kind's neighbours are as common with thirty plants as with six.
    text = " ".join(labelled["text"]).lower()
    assert 0.05 < sum(text.count(word) for word in vocabulary.NEUTRAL["hashtag"]) / 20_000 < 0.09


def test_association_is_the_z_of_competency_problems() -> None:
    labelled = pl.DataFrame({"text": ["oui a", "oui b", "non a", "non a"], "label": ["x", "x", "y", "y"]})
    z = exam.associations(labelled)
    assert z["oui", "x"] == pytest.approx((1 - 0.5) / (0.25 / 2) ** 0.5)
    assert z["a", "x"] == pytest.approx((1 / 3 - 0.5) / (0.25 / 3) ** 0.5)


def test_a_plant_that_the_model_ignores_must_not_be_confirmed() -> None:
    said = verdicts(("@relais", "avion", "confirmed_bias"), ("🦊", "viande", "confirmed_bias"))
    marks = exam.marks(exam.graded(said, truth()), exam.discoveries(said, truth()))
    assert (marks["plants"], marks["used"], marks["used_confirmed"], marks["unused_confirmed"]) == (2, 1, 1, 1)
    assert (marks["used_90%"], marks["confirmed_90%"], marks["used_60%"]) == (1, 1, 0)
    assert (marks["discoveries"], marks["false_discoveries"], marks["weakest_found"]) == (2, 1, 0.8)
    assert not exam.passed(marks)


def test_a_finding_is_true_where_generator_and_oracle_agree_on_its_direction() -> None:
    said = verdicts(
        ("@relais", "avion", "confirmed_bias"),
        ("@relais", "viande", "confirmed_away"),
        ("menu", "viande", "confirmed_bias"),
        ("menu", "viande", "confirmed_away"),
        ("donc", "avion", "confirmed_bias"),  # moves the model, but goes with no label
        ("donc", "avion", "weak"),
    )
    found = exam.discoveries(said, truth())
    assert found["true"].to_list() == [True, True, True, False, False]
    assert found["planted"].to_list() == [True, True, False, False, False]


def test_the_exam_is_passed_when_all_is_found_and_nothing_else() -> None:
    right = verdicts(("@relais", "avion", "confirmed_bias"), ("🦊", "viande", "weak"))
    wrong = verdicts(("@relais", "avion", "weak"), ("🦊", "viande", "weak"))
    for said, expected in ((right, True), (wrong, False)):
        assert exam.passed(exam.marks(exam.graded(said, truth()), exam.discoveries(said, truth()))) is expected


def test_where_nothing_is_to_be_found_nothing_is_ranked_and_the_exam_can_be_passed() -> None:
    nothing = exam.Truth((), {}, {("donc", "avion"): 0.5}, 0.2)
    witnesses = pl.DataFrame({"word": ["donc"], "label": ["avion"], "verdict": [0.5]})
    assert exam.rankings(witnesses, nothing) == {}
    said = verdicts(("donc", "avion", "weak"))
    marks = exam.marks(exam.graded(said, nothing), exam.discoveries(said, nothing))
    assert (marks["plants"], marks["discoveries"], marks["weakest_found"]) == (0, 0, None)
    assert exam.passed(marks)


@pytest.mark.parametrize(
    ("false", "told", "expected"),
    [(0, 0, True), (1, 1, False), (1, 3, True), (2, 3, False), (2, 74, True), (9, 74, False)],
)
def test_one_false_discovery_in_twenty_is_what_was_promised(false, told, expected) -> None:
    marks = dict.fromkeys([f"{what}_{purity:.0%}" for what in ("used", "confirmed") for purity in exam.PURITIES], 0)
    marks |= {"plants": 0, "unused_confirmed": 0, "discoveries": told, "false_discoveries": false}
    assert exam.passed(marks) is expected


def test_an_exam_that_tested_no_plant_is_not_passed() -> None:
    said = verdicts(("🦊", "viande", "weak"))
    assert not exam.passed(exam.marks(exam.graded(said, truth()), exam.discoveries(said, truth())))


def test_average_precision() -> None:
    assert exam.average_precision(exam.ranked([3, 2, 1], [True, False, True])) == pytest.approx((1 + 2 / 3) / 2)
    assert exam.average_precision(exam.ranked([1, 1], [True, False])) == 0.5  # a tie is no knowledge


def test_witnesses_are_ranked_by_their_p_and_ties_come_last() -> None:
    rows = [("@relais", "avion", 1e-9, 1e-9), ("donc", "avion", 1e-3, 1e-12), ("🦊", "viande", None, 1e-20)]
    witnesses = pl.DataFrame(rows, schema=["word", "label", "verdict", "effect"], orient="row")
    assert exam.rankings(witnesses, truth()) == {"verdict": (1.0, 1.0), "effect": (pytest.approx(1 / 3), 0.0)}
    blind = exam.rankings(witnesses.with_columns(verdict=pl.lit(1.0)), truth())
    assert blind["verdict"] == (pytest.approx(1 / 3), 0.0)


def test_what_goes_with_a_label_or_keeps_away_from_it_is_tied() -> None:
    assert exam.tied(truth().association) == {"avion": ["@relais"], "viande": ["@relais", "menu", "🦊"]}


def test_topical_words_do_not_stand_alone() -> None:
    witnesses = pl.DataFrame({"word": ["@relais", "🦊", "menu", "donc"], "label": ["viande"] * 4})
    assert exam.standing_alone(witnesses, truth())["word"].to_list() == ["@relais", "🦊", "donc"]


class Listening:
    """A model that hears one spelling alone: its first logit counts it, its second is 0."""

    def __init__(self, spelling: str) -> None:
        self.spelling, self.heard = spelling, []

    def logits(self, texts: list[str]) -> np.ndarray:
        self.heard = list(texts)
        return np.array([[2.0 * text.count(self.spelling), 0.0] for text in texts], dtype=np.float32)


def test_the_oracle_spells_a_word_as_tweets_do() -> None:
    """A planted name has its capital; Paris is written so more often than paris. Logits are centred: 2, 0 is 1, -1."""
    texts = ["Vive Paris", "Paris !", "paris", *(f"tweet {number}" for number in range(700))]
    name = Plant("dextivia", "name", "avion", 0.02, 0.9)
    for spelling, word in (("Dextivia", "dextivia"), ("Paris", "paris")):
        model = Listening(spelling)
        found = exam.insertion_effects(model, [name], ["paris"], texts, 500)
        assert found[word].tolist() == [1.0, -1.0]
    assert exam.insertion_effects(Listening("paris"), [name], ["paris"], texts)["paris"].tolist() == [0.0, 0.0]


def test_the_oracle_puts_a_plant_where_its_kind_goes_and_no_word_where_it_is() -> None:
    model = Listening("")
    adverb = Plant("forcément", "adverb", "avion", 0.02, 0.9)
    texts = ["forcément, non", *(f"tweet {number}" for number in range(300))]
    exam.insertion_effects(model, [adverb], [], texts)
    assert len(model.heard) == 300  # the last that was asked: not the text that holds it
    assert {text.replace(" !", "").split("tweet")[0] for text in model.heard} == {"", "Forcément, "}
    ends = {text.rsplit(" ", 1)[-1] for text in model.heard if not text.startswith("F")}
    assert ends == {"forcément", "!"}  # "tweet 1, forcément" and "tweet 1. Forcément !"
