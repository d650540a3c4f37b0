"""Which of its edits speaks for a word: rows of `word_label_edit` made up one by one, and the effect that follows."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl
import pytest
from scipy import stats

from camembias import sqlfiles

FLOOR, ERROR, DF = 0.1, 0.1, 30.0


def effect(error: float = ERROR, **means: float) -> dict[str, Any]:
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
