"""Shares corrected by tweets labelled by hand: what is drawn, how it comes back, and that it is right on average."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from camembias import catalog, coded, sqlfiles
from camembias.cli import app
from camembias.errors import InputError
from camembias.store import Store

from .conftest import prediction, put, tweet
from .test_recount import drawn_error

TRUTH = {"t1": "avion", "t2": "viande", "t3": "viande", "t4": "avion", "t5": "avion"}
GIVEN = {"t1": "avion", "t2": "avion", "t3": "viande", "t4": "avion", "t5": "viande"}  # as conftest has them


def ask(of: Store, name: str, **values: str | None) -> list[dict[str, Any]]:
    return catalog.run_query(of, sqlfiles.query(name), values).to_dicts()


def code(of: Store, truth: dict[str, str]) -> None:
    put(of, "coded", "current", [{"tweet_id": one, "label": label} for one, label in truth.items()])


def test_worked_out_by_hand(good_store: Store) -> None:
    assert ask(good_store, "corrected_shares") == []
    code(good_store, {one: TRUTH[one] for one in ("t1", "t2", "t5")})
    avion, viande = ask(good_store, "corrected_shares")
    assert (avion["tweets"], avion["share"], avion["coded"]) == (3, 0.6, 3)
    assert (avion["coded_so"], avion["predicted_so"], viande["coded_so"], viande["predicted_so"]) == (2, 2, 1, 1)
    assert (avion["corrected"], viande["corrected"]) == pytest.approx((0.6, 0.4))  # one wrong each way
    se = drawn_error([0, -1, 1], 5)
    assert avion["corrected_low"] == pytest.approx(0.6 - 1.96 * se)
    assert avion["corrected_high"] == 1  # 0.6 + 1.96 * se is more
    code(good_store, TRUTH)
    everything = ask(good_store, "corrected_shares")[0]
    assert everything["corrected"] == everything["corrected_low"] == everything["corrected_high"] == pytest.approx(0.6)


def unclipped(row: dict[str, Any]) -> float:
    return row["share"] + (row["coded_so"] - row["predicted_so"]) / row["coded"]


def test_no_share_is_under_0_or_over_1_and_few_tweets_are_no_certainty(good_store: Store) -> None:
    code(good_store, {"t1": "viande", "t2": "viande"})
    avion, viande = ask(good_store, "corrected_shares")
    assert unclipped(avion) == pytest.approx(-0.4)
    assert (avion["corrected"], avion["corrected_low"], viande["corrected"], viande["corrected_high"]) == (0, 0, 1, 1)
    code(good_store, {"t1": "avion", "t2": "avion"})  # both right
    avion, _ = ask(good_store, "corrected_shares")
    assert avion["corrected_low"] < 0.3 < avion["corrected"] == 0.6 < avion["corrected_high"]


def test_right_on_average_over_all_samples(good_store: Store) -> None:
    truth = {**TRUTH, "t4": "autre", "t5": "viande"}  # a label that no model gives, and a share that is off by 0.4
    found: dict[str, list[float]] = {label: [] for label in ("avion", "viande", "autre")}
    for drawn in itertools.combinations(truth, 3):
        code(good_store, {one: truth[one] for one in drawn})
        rows = {row["label"]: unclipped(row) for row in ask(good_store, "corrected_shares")}
        for label, shares in found.items():
            shares.append(rows.get(label, 0.0))
    for label, shares in found.items():
        assert np.mean(shares) == pytest.approx(list(truth.values()).count(label) / 5)


def test_more_rows_begin_with_the_same_tweets_and_are_drawn_by_chance(good_store: Store) -> None:
    ids = [f"n{n}" for n in range(2000)]
    put(good_store, "tweets", "n", [tweet(one, f"texte {one}") for one in ids])
    put(
        good_store, "predictions", "n", [prediction(one, "avion" if n < 400 else "viande") for n, one in enumerate(ids)]
    )
    few, more = (ask(good_store, "tweets_to_code", top=top) for top in ("500", "2000"))
    assert few == more[:500]
    among = sum(int(row["text"].split("n")[-1]) < 400 for row in few if "texte" in row["text"])
    assert abs(among - 100) < 5 * math.sqrt(500 * 0.2 * 0.8)  # the draw is fixed: it knows nothing of labels


def test_the_table_comes_back_filled_in(good_store: Store, tmp_path: Path) -> None:
    path = tmp_path / "to_code.csv"
    asked = ["query", "tweets_to_code", "--store", str(good_store.root), "--out", str(path)]
    assert CliRunner().invoke(app, asked).exit_code == 0
    by_text = {"le train": "avion", "train vert train": "viande"}
    rows = pl.read_csv(path)
    assert not rows["tweet"].str.contains(r"^[0-9.]").any()  # nothing that a spreadsheet would take for a number
    filled = rows.with_columns(label=pl.Series([by_text.get(text) for text in rows["text"]], dtype=pl.String()))
    foreign = pl.DataFrame({"tweet": ["t0123456789ab"], "text": ["?"], "label": ["avion"]})
    pl.concat([filled, foreign]).write_csv(path, separator=";")
    done = CliRunner().invoke(app, ["refresh", "--store", str(good_store.root), "--coded", str(path)])
    assert done.exit_code == 0, done.output
    assert "2 tweets labelled by hand, of 3 in" in done.output
    assert good_store.scan("coded").sort("tweet_id").collect().rows() == [("t1", "avion"), ("t2", "viande")]
    foreign.write_csv(path)
    refused = CliRunner().invoke(app, ["refresh", "--store", str(good_store.root), "--coded", str(path)])
    assert refused.exception is not None
    assert "none of the 1 tweets labelled by hand is classified" in str(refused.exception)
    again = ask(good_store, "tweets_to_code")
    assert {row["text"]: row["label"] for row in again if row["label"]} == by_text  # what is done is shown
    filled.head(2).write_csv(path)
    done = CliRunner().invoke(app, ["refresh", "--store", str(good_store.root), "--coded", str(path)])
    assert "in place of the 2 before" in done.output


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("tweet,text\nt102ba3a4363b,x\n", "no column label"),
        ("tweet,label\n1.02E+18,avion\n", "'1.02E\\+18' names no tweet"),
        ("tweet,label\nt102ba3a4363b,avion\nt102ba3a4363b,viande\n", "stands twice"),
    ],
)
def test_what_cannot_be_read_is_one_line(body: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(body)
    with pytest.raises(InputError, match=told):
        coded.read(tmp_path / "c.csv")
