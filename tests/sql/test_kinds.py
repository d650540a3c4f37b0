"""A corpus with one hashtag, which the model takes for a sign whichever it is; made up, with known truth."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats
from typer.testing import CliRunner

from camembias import catalog, sqlfiles, store
from camembias.cli import app
from camembias.cli.effects import say_residual
from camembias.errors import BrokerError
from camembias.report import sections
from camembias.report.wording import Wording
from camembias.store import Store

from .conftest import DAY, put

LABELS = ("avion", "nucléaire", "autre")
TWEETS, CONTROLS = 120, 40
# word: the label that it goes with, and how far it moves it when it is deleted, and when it is replaced
PLANTS = {"#seul": ("nucléaire", 3.0, 0.0), "loyer": ("autre", 3.0, 3.0), "lundi": ("avion", 3.0, 3.0)}


def scores(pushed: str | None, push: float, dice: np.random.Generator) -> dict[str, float]:
    """Centred, with noise."""
    raw = np.array([push * (name == pushed) for name in LABELS]) + dice.normal(scale=0.1, size=3)
    return dict(zip(LABELS, raw - raw.mean(), strict=True))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made, dice = store.create(tmp_path_factory.mktemp("kinds") / "store"), np.random.default_rng(3)
    controls = [f"mot{n}" for n in range(CONTROLS)]
    held = [
        [word for at, word in enumerate(PLANTS) if tweet % 3 == at] + list(dice.choice(controls, 6, replace=False))
        for tweet in range(TWEETS)
    ]
    for tweet in range(5):
        held[tweet].append("rare")  # in five tweets, with a mean of 2 and hardly an error
    rows, edits = [], []
    for tweet, words in enumerate(held):
        name = f"t{tweet}"
        said = {word: scores(*PLANTS.get(word, (None, 0.0))[:2], dice) for word in words}
        if "rare" in said:
            said["rare"] = {"avion": 2.0, "nucléaire": -1.0, "autre": -1.0}
        for label in LABELS:
            listed = [
                {"word": w, "surface": w, "start": 9 * i, "stop": 9 * i + 5, "score": said[w][label]}
                for i, w in enumerate(words)
            ]
            rows.append(
                {
                    "batch": "b",
                    "tweet_id": name,
                    "model_version": "m",
                    "target": label,
                    "label": "avion",
                    "method": "ig",
                    "baseline": "mask",
                    "converged": True,
                    "delta": 0.0,
                    "words": listed,
                    "computed_at": DAY,
                }
            )
        for word in [*words, *(["<hashtag>"] if "#seul" in words else [])]:
            label, deleted, replaced = PLANTS.get("#seul" if word == "<hashtag>" else word, (None, 0.0, 0.0))
            ways = (
                {"delete": deleted, "neutral": deleted}
                if word == "<hashtag>"
                else {"delete": deleted, "replace": replaced}
            )
            edits += [
                edit(word, way, name, scores(label, change, dice), word in controls) for way, change in ways.items()
            ]
    put(made, "explanations", "b", rows)
    put(made, "effects", "e", edits)
    put(
        made,
        "tweets",
        "p",
        [
            {"tweet_id": f"t{n}", "text": f"texte {n}", "author": f"a{n}", "source": "s", "seen_at": DAY}
            for n in range(TWEETS)
        ],
    )
    design = {
        "design_id": "d",
        "rule": "uniform",
        "model_version": "m",
        "serving_version": "v",
        "framed_at": DAY,
        "frame_tweets": 10 * TWEETS,
        "method": "ig",
        "baseline": "mask",
        "seed": "s",
        "expected": 1.0,
        "rates": [{"key": "all", "tweets": 10 * TWEETS, "rate": 1.0}],
        "created_at": DAY,
    }
    put(made, "designs", "d", [design])
    put(made, "draws", "d", [{"design_id": "d", "tweet_id": f"t{n}", "key": "all", "pi": 1.0} for n in range(TWEETS)])
    put(
        made,
        "models",
        "v",
        [{"model_version": "m", "serving_version": "v", "name": "n", "labels": list(LABELS), "seen_at": DAY}],
    )
    taught = []
    for number in range(300):
        label = LABELS[number % 3]
        mine = [word for word, (about, *_) in PLANTS.items() if about == label and number % 2]
        taught.append(
            {
                "model_version": "m",
                "tweet": f"h{number}",
                "author": "a",
                "duplicate_group": number,
                "split": "train",
                "label": label,
                "words": sorted({*mine, *dice.choice(controls, 5)}),
            }
        )
    put(made, "training_words", "m", taught)
    put(made, "concepts", "c", [{"label": "avion", "word": "avion"}, {"label": "nucléaire", "word": "#epr"}])
    catalog.refresh(made)
    return made


def edit(word: str, way: str, tweet: str, change: dict[str, float], control: bool) -> dict[str, Any]:
    before = [{"label": label, "logit": logit, "p": 1 / 3} for label, logit in change.items()]
    after = [{"label": label, "logit": 0.0, "p": 1 / 3} for label in LABELS]
    return {
        "model_version": "m",
        "word": word,
        "edit": way,
        "tweet_id": tweet,
        "label_before": "avion",
        "label_after": "avion",
        "role": "control" if control else "candidate",
        "before": before,
        "after": after,
        "computed_at": DAY,
    }


def ask(made: Store, name: str, **values: str | None) -> pl.DataFrame:
    return catalog.run_query(made, sqlfiles.query(name), values)


def test_that_there_is_a_hashtag_is_a_finding_about_the_kind(corpus: Store) -> None:
    found = {(row["word"], row["label"]): row for row in ask(corpus, "verdicts", top=None).iter_rows(named=True)}
    assert found["<hashtag>", "nucléaire"]["verdict"] == "confirmed_bias"
    assert found["<hashtag>", "nucléaire"]["kind"] == "kind"
    assert found["<hashtag>", "nucléaire"]["effect"] == pytest.approx(2.0, abs=0.1)
    assert found["#seul", "nucléaire"]["verdict"] == "kind_only"
    assert found["lundi", "avion"]["verdict"] == "confirmed_bias"


def test_which_label_is_taken_for_the_rest_is_said(corpus: Store, capsys: pytest.CaptureFixture[str]) -> None:
    say_residual(corpus, "m")
    assert "'autre' is taken for the label of the rest, by its name" in capsys.readouterr().err
    say_residual(corpus, "another model")
    assert capsys.readouterr().err == ""


def test_what_speaks_for_no_topic_is_no_headline(corpus: Store) -> None:
    assert catalog.run_sql(corpus, "SELECT label, given FROM residual_labels").rows() == [("autre", False)]
    rows = ask(corpus, "verdicts", top=None)
    assert rows.filter(word="loyer", label="autre")["verdict"].to_list() == ["residual"]
    said = sections.at_a_glance(rows, pl.DataFrame(), Wording("en"))
    assert "Hashtags push towards nucléaire, whichever they are." in said
    assert not [one for one in said if "loyer" in one]
    assert set(rows.filter(word="loyer")["verdict"]) == {"residual"}  # nor that it speaks against each topic
    assert "lundi (avion)" in said[0]


def test_a_label_with_concept_words_is_no_rest_and_any_can_be_given_as_one(corpus: Store, tmp_path: Any) -> None:
    made = store.open_existing(shutil.copytree(corpus.root, tmp_path / "store"))
    put(made, "concepts", "c", [{"label": "autre", "word": "divers"}, {"label": "avion", "word": "<residual>"}])
    catalog.refresh(made)
    assert catalog.run_sql(made, "SELECT label, given FROM residual_labels").rows() == [("avion", True)]
    assert catalog.run_sql(made, "SELECT word FROM concepts").rows() == [("divers",)]


def test_the_strongest_word_of_many_tweets_comes_before_lucky_ones_of_five(corpus: Store) -> None:
    rows = ask(corpus, "effect_candidates", top="1").filter(pl.col("kind") != "kind")
    places = rows["word"].to_list()
    assert places.index("lundi") < (places.index("rare") if "rare" in places else len(places))
    assert "<hashtag>" in ask(corpus, "effect_candidates", top="1")["word"].to_list()
    both = ask(corpus, "effect_candidates", top=None)
    # an error of 0 in five tweets is not believed
    assert both.filter(word="rare")["strength"][0] < 2.0 < both.filter(word="lundi")["strength"][0] + 0.5


def test_how_small_a_bias_could_have_been_found(corpus: Store) -> None:
    rows = ask(corpus, "detectable_effects")
    assert rows["first"].to_list() == [5, 10, 20]
    assert rows["detectable_reliance"][0] is None  # of under ten tweets nothing is ever confirmed
    row = rows.row(1, named=True)
    tests = catalog.run_sql(corpus, "SELECT count(q_verdict) AS n FROM word_label_verdict")["n"][0]
    assert (row["tests"], row["explained"], row["frame"]) == (tests, TWEETS, 10 * TWEETS)
    sql = """
        SELECT median(c.df) AS df, median(c.se_cluster) AS se FROM word_label_clustered AS c
        JOIN label_reliance AS r USING (model_version, method, baseline, word, label) WHERE r.tweets BETWEEN 10 AND 19
    """
    df, error = catalog.run_sql(corpus, sql).row(0)
    wanted = row["reliance_floor"] + (stats.t.isf(0.05 / (2 * tests), df) + stats.t.isf(0.2, df)) * error
    assert row["detectable_reliance"] == pytest.approx(wanted, rel=0.02)
    assert row["detectable_effect"] > row["effect_floor"]


@pytest.mark.parametrize("df", [4, 9, 30, 200])
@pytest.mark.parametrize("p", [0.2, 0.025, 1e-3, 1e-5])
def test_quantiles_of_student(corpus: Store, p: float, df: float) -> None:
    (found,) = catalog.run_sql(corpus, f"SELECT student_above({p}, {df}) AS t")["t"]
    assert found == pytest.approx(stats.t.isf(p, df), rel=0.12 if df < 9 else 0.03)


def test_words_that_want_more_explanations_are_chosen_without_a_look_at_their_reliance(corpus: Store) -> None:
    rows = ask(corpus, "undecided_words")
    assert set(rows["word"]) == {"lundi", "loyer", "#seul", "<hashtag>"}
    assert "autre" not in set(rows["label"])
    assert set(rows["wanted"]) == {50}
    assert set(rows["tweets"]) == {40}


def test_without_a_worker_the_edits_stay_and_it_is_said(corpus: Store, tmp_path: Any, monkeypatch: Any) -> None:
    """Sixty tweets more hold `lundi`: they are drawn and asked for, and nobody is there to explain them."""
    made = store.open_existing(shutil.copytree(corpus.root, tmp_path / "store"))
    ids = [f"neuf{n}" for n in range(60)]
    texts = [{"tweet_id": one, "text": f"lundi {one}", "source": "s", "seen_at": DAY} for one in ids]
    put(made, "tweets", "more", texts)
    same = {"model_version": "m", "serving_version": "v", "label": "avion", "margin": 1.0, "run_id": "r"}
    seen = [{"tweet_id": one, "classified_at": DAY, **same} for one in ids]
    put(made, "predictions", "more", seen)
    manifest = SimpleNamespace(max_length=64)
    layout = SimpleNamespace(onnx=None, root="models/m")
    labels = SimpleNamespace(names=LABELS)
    bundle = SimpleNamespace(model_version="m", serving_version="v", manifest=manifest, layout=layout, labels=labels)
    monkeypatch.setattr("camembias.bundle.load", lambda _: bundle)
    monkeypatch.setattr("camembias.scoring.Scorer.open", lambda *_: None)
    monkeypatch.setattr("batch.effects.write_pieces", lambda *_: None)

    def measure(*given: Any) -> None:
        given[4].counts.update(words=3, edits=9, skipped=0, unseen=0)

    monkeypatch.setattr("batch.effects.measure", measure)
    command = ["effects", "--store", str(made.root), "--top", "1", "--explain", "200"]
    done = CliRunner().invoke(app, [*command, "--broker-url", "redis://127.0.0.1:1/0", "--timeout-s", "1"])
    assert isinstance(done.exception, BrokerError)
    assert str(done.exception).startswith("the edits are stored, further tweets are not explained: ")
    said = " ".join(done.output.split())
    assert "further tweets of 4 of 4 undecided words" in said
    assert "4 edited words act as training says, in too few explained tweets for a verdict: --explain 40" in said
    drawn = made.scan("draws").filter(pl.col("design_id") != "d").collect()
    assert set(drawn["key"]) == {"lundi"}
    assert drawn["pi"].to_list() == pytest.approx([50 / 60] * drawn.height)
    catalog.refresh(made)  # a design that nobody explained counts for nothing
    assert ask(made, "verdicts").filter(word="lundi", label="avion")["verdict"].to_list() == ["confirmed_bias"]
