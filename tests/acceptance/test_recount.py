"""Words planted in training, which say nothing in the stream: without them more tweets have their true label."""

import json

import polars as pl
import pytest

from camembias import store as stores
from camembias import synthetic

from .conftest import camembias

pytestmark = pytest.mark.acceptance


def test_a_recount_without_the_planted_words_comes_nearer_to_the_truth(model, stream, tmp_path):
    store = tmp_path / "store"
    assert camembias("classify", model, stream, "--store", store).returncode == 0
    asked = ("recount", "--model", model, "--store", store)
    refused = camembias(*asked)
    assert refused.returncode == 2
    assert "no word that is confirmed" in refused.stderr
    planted = [option for plant in synthetic.PLANTS for option in ("--word", plant.word)]
    first, again = (camembias(*asked, *planted, "--json") for _ in range(2))
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert json.loads(again.stdout) == found  # done again, it takes the place of the first
    assert found["tweets"] == found["holders"] > 1000

    truth = synthetic.tweets(12_000, seed=2, planted=False).select("tweet_id", truth="label")
    rows = stores.open_existing(store).scan("recounted").collect().join(truth, on="tweet_id")
    assert rows.height == found["tweets"]
    changed = rows.filter(pl.col("label") != pl.col("label_without"))
    right, was_right = ((changed[name] == changed["truth"]).sum() for name in ("label_without", "label"))
    assert right > 2 * was_right
    true = dict(truth["truth"].value_counts(normalize=True).iter_rows())
    off = {
        name: sum(abs(row[name] - true[row["label"]]) for row in found["shares"]) for name in ("share", "share_without")
    }
    assert off["share_without"] < off["share"]

    nothing = camembias(*asked, "--word", "introuvable")
    assert nothing.returncode == 2
    assert "holds any of: introuvable" in nothing.stderr
    fewer = json.loads(camembias(*asked, *planted, "--tweets", 300, "--json").stdout)
    assert (fewer["tweets"], fewer["holders"], fewer["recount"]) == (300, found["holders"], found["recount"])
    exact = {row["label"]: row["difference"] for row in found["shares"]}
    for row in fewer["shares"]:  # three times as wide as an interval of 95 %: the draw is by the store's salt
        assert abs(row["difference"] - exact[row["label"]]) < 3 * (row["difference_high"] - row["difference"])
