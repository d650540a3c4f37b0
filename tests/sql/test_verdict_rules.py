"""What follows from three witnesses: rows of `word_label_witnesses` made up one by one, and the verdict on each."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl
import pytest

from camembias import sqlfiles

YES = {"towards": 1e-6, "away": 1.0}
AWAY = {"towards": 1.0, "away": 1e-6}
NO = {"towards": 0.5, "away": 0.5}
WITHIN = (-0.01, 0.02)  # an interval within the floor of 0.05
WIDE = (-0.5, 0.9)


def witness(
    name: str, said: dict[str, float] | None, mean: float = 1.0, ends: tuple[float, float] = (0.9, 1.1)
) -> dict[str, Any]:
    """One witness; None: it was not heard."""
    p = {f"{name}_p_{side}": said[side] if said else None for side in YES}
    return {name: mean if said else None, f"{name}_low": ends[0], f"{name}_high": ends[1], **p}


def row(**changes: Any) -> dict[str, Any]:
    """A word that all three witnesses accuse, seen often enough to be confirmed."""
    told = {"model_version": "m", "method": "ig", "baseline": "mask", "word": "mot", "kind": "word", "label": "avion"}
    told |= {"docs": 50, "tweets": 50, "edited_tweets": 50, "by_author": True}
    told |= {"effect_whole": 1.0, "effect_on_p": 0.1, "flip_rate": 0.1}
    told |= {"reliance_floor": 0.05, "effect_floor": 0.05, "effect_within_floor": False}
    told |= {"deleted_p_towards": 1e-6, "deleted_p_away": 1.0, "replaced_less": False}
    for name in ("association", "reliance", "effect"):
        told |= witness(name, YES)
    return {**told, **changes}


def verdicts(rows: list[dict[str, Any]], asked: str, distorted: bool = False) -> list[Any]:
    """The first column asked for, of the rows of `word_label_verdict` that follow, in order of their words."""
    with duckdb.connect() as connection:
        connection.register("word_label_witnesses", pl.DataFrame(rows, infer_schema_length=None).to_arrow())
        connection.execute("CREATE TABLE concepts AS SELECT 'train' AS word")
        connection.execute("CREATE TABLE residual_labels AS SELECT 'm' AS model_version, 'autre' AS label")
        lost = "SELECT 'm' AS model_version, 'ig' AS method, 'mask' AS baseline WHERE ?"
        connection.execute(f"CREATE TABLE distorted_samples AS {lost}", [distorted])
        connection.execute("CREATE TABLE decisions AS SELECT 'x' AS word, 'x' AS label, 'x' AS decision, 'x' AS note")
        for _, macro in sqlfiles.statements("macros"):
            connection.execute(macro)
        script = dict(sqlfiles.statements("views"))["60_verdict"]
        for statement in duckdb.extract_statements(script):
            if "tested_pairs" in statement.query:
                connection.execute(statement)
        found = connection.sql(f"SELECT {asked} FROM word_label_verdict ORDER BY word").fetchall()
        return [value for (value,) in found]


def verdict(**changes: Any) -> str | None:
    """None: no verdict is passed."""
    return next(iter(verdicts([row(**changes)], "verdict")), None)


def test_nothing_is_confirmed_where_too_many_tweets_of_a_label_are_lost():
    assert verdicts([row()], "q_verdict IS NULL", distorted=True) == [True]
    assert verdicts([row()], "verdict", distorted=True) == ["unconfirmed"]


UNUSED = {**witness("reliance", NO, 0.0, WITHIN), **witness("effect", NO, 0.0, WITHIN), "effect_within_floor": True}
NOT_EDITED = {**witness("effect", None), "effect_within_floor": None, "by_author": None, "edited_tweets": None}


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("confirmed_bias", {}),
        ("expected", {"word": "train"}),
        (
            "confirmed_away",
            {**witness("association", AWAY, -1), **witness("reliance", AWAY, -1), **witness("effect", AWAY, -1)},
        ),
        # used by the model: what training says of it decides between the two
        ("model_only", witness("association", NO)),
        ("model_only", {**witness("association", None), "docs": None}),
        ("unconfirmed", {"docs": 3}),
        ("unconfirmed", {"tweets": 9}),
        ("unconfirmed", witness("association", AWAY, -1)),
        ("unconfirmed", witness("effect", AWAY, -1)),  # all three speak, and point apart
        ("no_finding", {**witness("association", NO), **witness("effect", NO)}),
        ("no_finding", {**witness("association", NO), **witness("effect", AWAY, -1)}),  # the two point apart
        ("weak", {**witness("association", NO), **witness("effect", NO), "tweets": 49}),  # of too few tweets to say so
        ("weak", {**witness("association", NO), **witness("effect", NO), "edited_tweets": 19}),
        # used, but what else the tweets hold says the same
        ("not_decisive", witness("effect", NO)),
        ("not_decisive", {**witness("effect", NO), "tweets": 30}),
        ("not_decisive", {**witness("effect", NO, 0.0, WITHIN), "effect_within_floor": True}),
        ("weak", {**witness("effect", NO), "edited_tweets": 19, "tweets": 30}),
        ("no_finding", {**witness("effect", NO), **witness("association", AWAY, -1)}),
        # a label that is what no topic is
        ("residual", {"label": "autre"}),
        ("expected", {"label": "autre", "word": "train"}),
        ("weak", {"label": "autre", **NOT_EDITED}),
        # one of a kind, and any other of it would do
        ("kind_only", {"kind": "hashtag", **witness("effect", NO), "replaced_less": True}),
        ("not_decisive", {"kind": "word", **witness("effect", NO), "replaced_less": True}),
        ("not_decisive", {"kind": "hashtag", **witness("effect", NO)}),
        ("confirmed_bias", {"kind": "hashtag", "replaced_less": True}),  # it moves the label without its companions
        ("no_finding", {"kind": "hashtag", **witness("effect", NO), **witness("reliance", NO), "replaced_less": True}),
        (None, {"word": "r…"}),  # what a cut left of a word
        ("weak", NOT_EDITED),  # nobody can say that it has an effect
        (None, {**NOT_EDITED, "tweets": 9}),  # and nothing could follow from so few tweets
        ("expected", {**NOT_EDITED, "tweets": 9, "word": "train"}),
        # in the data, not in the model: only when no interval leaves room for it
        ("unused_association", UNUSED),
        ("unused_association", {**UNUSED, **NOT_EDITED}),
        ("weak", {**UNUSED, "tweets": 9}),
        ("no_finding", {**UNUSED, "effect_within_floor": False}),  # one of the edits does something
        ("no_finding", {**UNUSED, **witness("reliance", NO, 0.2, WIDE)}),
        ("not_decisive", {**UNUSED, **witness("reliance", YES)}),
        ("no_finding", {**UNUSED, **witness("association", NO)}),
        ("no_finding", {**UNUSED, "reliance_floor": None}),  # no control words: no floor to be within
    ],
)
def test_what_three_witnesses_say(expected: str | None, changes: dict[str, Any]) -> None:
    assert verdict(**changes) == expected


def test_a_test_that_was_not_made_has_no_q_and_counts_for_none() -> None:
    edited = [
        row(word=f"mot{n}", **witness("effect", {"towards": p, "away": 1.0})) for n, p in enumerate((0.001, 0.02))
    ]
    others = [row(word=f"autre{n}", docs=None, **NOT_EDITED, **witness("association", None)) for n in range(40)]
    effect, association = (verdicts([*others, *edited], name) for name in ("effect_q", "association_q"))
    assert effect[40:] == pytest.approx([0.004, 0.04])  # Benjamini-Hochberg of 0.002 and 0.04, over two tests
    assert association[40:] == pytest.approx([2e-6, 2e-6])
    assert effect[:40] == association[:40] == [None] * 40
