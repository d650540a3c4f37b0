"""Which of its edits speaks for a word: rows of `word_label_edit` made up one by one, and the effect that follows."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl
import pytest
from scipy import stats

from camembias import catalog, sqlfiles
from camembias.store import Store

from .conftest import DAY, put

FLOOR, ERROR, DF = 0.1, 0.1, 30.0


def effect(error: float | None = ERROR, **means: float) -> dict[str, Any]:
    """What the view says of a word of these mean scores, by edit."""
    same = {"model_version": "m", "word": "but", "kind": "word", "role": "candidate", "label": "autre", "tweets": 50}
    same |= {"by_author": True, "se": error, "df": DF, "mean_change_of_p": 0.1, "flip_rate": 0.1}
    edits = [{**same, "edit": edit, "mean_score": mean} for edit, mean in means.items()]
    floors = [{"model_version": "m", "measure": edit, "bin": 5, "floor": FLOOR, "control_words": 40} for edit in means]
    with duckdb.connect() as connection:
        for name, sql in sqlfiles.statements("macros"):
            if name.startswith(("10_half_erfc", "20_normal_tail", "30_student", "30_frequency_bin")):
                connection.execute(sql)
        connection.register("word_label_edit", pl.DataFrame(edits).to_arrow())
        connection.register("control_floor", pl.DataFrame(floors).to_arrow())
        connection.execute(dict(sqlfiles.statements("views"))["54_effect"])
        (found,) = connection.sql("SELECT * FROM word_label_effect").pl().iter_rows(named=True)
        return found


def p(mean: float) -> float:
    """One-sided, that a mean of this error is not above the floor; to the accuracy of Wallace's deviate."""
    return pytest.approx(stats.t.sf((mean - FLOOR) / ERROR, DF), rel=0.09)


def test_in_whole_tweets_the_edit_that_changes_less_counts() -> None:
    said = effect(delete=0.9, replace=0.4)
    assert (said["edits"], said["mean_score"], said["whole_score"], said["p_towards"]) == (2, 0.4, 0.4, p(0.4))
    assert effect(delete=0.9, replace=-0.9)["p_towards"] > 0.99


@pytest.mark.parametrize(("whole", "alone"), [(0.02, 0.6), (0.6, 0.2)])
def test_what_a_word_does_without_its_companions_counts(whole: float, alone: float) -> None:
    said = effect(delete=whole, replace=whole + 0.1, alone=alone)
    assert (said["edits"], said["mean_score"], said["whole_score"], said["p_towards"]) == (3, alone, whole, p(alone))
    assert said["p_away"] > 0.99
    assert said["floor"] == FLOOR


def test_no_edit_may_leave_the_floor_for_a_word_to_do_nothing() -> None:
    assert effect(error=0.01, delete=0.0, replace=0.01, alone=0.02)["within_floor"]
    assert not effect(error=0.01, delete=0.0, replace=0.01, alone=0.09)["within_floor"]
    assert not effect(error=0.1, delete=0.0, replace=0.0, alone=0.0)["within_floor"]  # intervals wider than the floor


def test_a_test_that_could_not_be_made_has_no_p() -> None:
    """Of a single tweet there is no error; it is no evidence, and no member of the family of q either."""
    said = effect(error=None, delete=0.9, replace=0.8)
    assert (said["mean_score"], said["p_towards"], said["p_away"]) == (0.8, None, None)
    assert not said["within_floor"]


def test_control_words_of_a_single_tweet_make_no_floor(good_store: Store) -> None:
    """All they do may be noise, which would leave a floor of nothing."""

    def edited(word: str, tweet_id: str, change: float) -> dict[str, Any]:
        scores = [
            [{"label": "avion", "logit": x / 2, "p": 0.5}, {"label": "viande", "logit": -x / 2, "p": 0.5}]
            for x in (2 * change, 0.0)
        ]
        row = {"model_version": "m1", "serving_version": "v1", "word": word, "role": "control", "edit": "delete"}
        row |= {"label_before": "avion", "label_after": "avion", "before": scores[0], "after": scores[1]}
        return {**row, "tweet_id": tweet_id, "run_id": "r", "computed_at": DAY}

    once = [edited(f"témoin{number}", f"t{1 + number % 3}", 2.0) for number in range(40)]
    put(good_store, "effects", "once", once)
    floors = "SELECT control_words FROM control_floor WHERE measure = 'delete'"
    catalog.refresh(good_store)
    assert catalog.run_sql(good_store, floors).is_empty()
    put(good_store, "effects", "twice", [edited("souvent", f"t{number}", 0.1 * number) for number in (1, 2, 3)])
    catalog.refresh(good_store)
    assert set(catalog.run_sql(good_store, floors)["control_words"]) == {1}
