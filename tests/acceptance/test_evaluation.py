"""What `train` and `evaluate` say of a model, as a user reads it."""

import json

import polars as pl
import pytest

from camembias import bundle, synthetic

from .conftest import camembias

pytestmark = pytest.mark.acceptance


def test_tweets_about_no_label_are_shown_apart(model, tmp_path):
    tweets = synthetic.tweets(240, seed=6)
    other = tweets.with_columns(label=pl.when(pl.col("label") == "autre").then(pl.lit("hors sujet")).otherwise("label"))
    other.write_csv(tmp_path / "fresh.csv")
    done = camembias("evaluate", model, tmp_path / "fresh.csv", "--other-label", "hors sujet", "--json")
    assert done.returncode == 0, done.stderr
    found, manifest = json.loads(done.stdout), bundle.load(model).manifest
    elsewhere = found["elsewhere"]
    assert elsewhere["tweets"] + found["tweets"] == 240
    assert sum(row["said"] for row in elsewhere["labels"].values()) == pytest.approx(1)
    assert found["calibration"]["temperature"] == manifest.temperature
    assert found["abstention"]["abstain_below"] == manifest.abstain_below
    done = camembias("evaluate", model, tmp_path / "fresh.csv")
    assert done.returncode == 2
    assert "--other-label 'hors sujet'" in done.stderr


def test_the_bundle_holds_the_evaluation(model):
    found, metrics = bundle.load(model), json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == found.manifest.metrics
    assert metrics["calibration"]["temperature"] == found.manifest.temperature
    assert set(metrics["masking"]) == {"tweets_with_concept_words", "concepts_masked", "only_concepts"}
    card = (model / "MODEL_CARD.md").read_text(encoding="utf-8")
    for sentence in metrics["summary"]:
        assert sentence in card
    assert (model / "reliability.png").read_bytes().startswith(b"\x89PNG")
