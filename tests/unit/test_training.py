"""Who is trained on what: nothing that judges or chooses is learned from, and what was best is what is kept."""

import copy

import numpy as np
import polars as pl
import pytest
import torch
from transformers import DataCollatorWithPadding

from camembias import synthetic
from camembias.labels import Labels
from train import baselines, classifier, crossvalidation, duplicates, loop, serving, splits, tiny
from train.calibration import confidence, fit_temperature, reliability
from train.classifier import Options, Tweets
from train.evidence import Evidence
from train.progress import silent


def labelled(count: int = 300) -> pl.DataFrame:
    """With each tweet retweeted once by somebody else: twins stand in every fold."""
    tweets = synthetic.tweets(count, seed=4).select("tweet_id", "text", "label", "author")
    again = tweets.with_columns(tweet_id="r" + pl.col("tweet_id"), author=pl.col("author").reverse())
    rows = pl.concat([tweets, again])
    return rows.with_columns(pl.Series("duplicate_group", duplicates.groups(rows["text"].to_list()), dtype=pl.Int64()))


ROWS = splits.folds(labelled(), 4, 0, by_author=True)
LABELS = Labels.of(ROWS["label"])
TRUTH = np.array(LABELS.ids(ROWS["label"].to_list()))


def out_of_fold(scale: float = 1.0) -> Evidence:
    """Logits right on 8 of 10; `scale` times as sure in the first fold."""
    dice = np.random.default_rng(3)
    said = np.where(dice.random(len(ROWS)) < 0.8, TRUTH, dice.integers(0, len(LABELS), len(ROWS)))
    logits = dice.normal(0, 1, (len(ROWS), len(LABELS)))
    logits[np.arange(len(ROWS)), said] += 3
    logits[(ROWS["fold"] == 0).to_numpy()] *= scale
    return Evidence(ROWS, ROWS, logits.astype(np.float32), ROWS, logits.astype(np.float32), {}, ROWS["fold"])


def test_twins_of_a_fold_train_no_model_of_it(monkeypatch, tmp_path):
    fitted: list[pl.DataFrame] = []
    monkeypatch.setattr(classifier, "fit", lambda rows, *_: fitted.append(rows))

    def score(model, texts, labels, rewrite):
        (tmp_path / f"fold-{len(fitted) - 1}").mkdir()  # in which training would have left its checkpoints
        return np.zeros((len(texts), len(labels)), dtype=np.float32), {}

    monkeypatch.setattr(crossvalidation, "score", score)
    crossvalidation.out_of_fold(ROWS, LABELS, Options(), True, tmp_path, silent, "", None)
    assert len(fitted) == 4
    for fold, rows in enumerate(fitted):
        judged = ROWS.filter(pl.col("fold") == fold)
        assert not set(rows["duplicate_group"]) & set(judged["duplicate_group"])
        assert not set(rows["author"]) & set(judged["author"])


def test_twins_of_a_fold_train_no_baseline_of_it():
    groups = ROWS["duplicate_group"].to_numpy()
    pairs = list(baselines.sides(out_of_fold()))
    assert sorted(np.concatenate([score for _, score in pairs])) == list(range(len(ROWS)))
    for fit, score in pairs:
        assert len(fit)
        assert not set(groups[fit]) & set(groups[score])


def test_folds_that_keep_authors_apart_do():
    """Each author has words of their own and one label: known to whoever has read them, to nobody else."""
    dice = np.random.default_rng(2)
    author = dice.integers(0, 60, 600)
    rows = pl.DataFrame(
        {
            "tweet_id": [str(row) for row in range(600)],
            "text": [
                f"nom{one}a nom{one}b {' '.join(f'm{word}' for word in dice.integers(0, 99, 6))}" for one in author
            ],
            "author": [f"a{one}" for one in author],
            "label": ["ab"[one % 2] for one in author],
            "duplicate_group": range(600),
        }
    )
    found = baselines.random_and_author_folds(rows, author % 2, seed=0)
    assert np.mean(found["random"] == author % 2) > 0.95
    assert np.mean(found["author"] == author % 2) < 0.75


def test_a_fold_is_judged_by_the_temperature_and_the_threshold_of_the_others():
    evidence = out_of_fold(scale=4.0)
    fold = ROWS["fold"].to_numpy()
    temperatures = np.array([fit_temperature(evidence.logits[fold != one], TRUTH[fold != one]) for one in fold])
    served = serving.choose(evidence, LABELS, 0.8, 0)
    right = evidence.logits.argmax(axis=1) == TRUTH
    assert served.calibration["after"] == reliability(confidence(evidence.logits, temperatures), right, 0)
    assert served.calibration["after"] != reliability(confidence(evidence.logits, served.temperature), right, 0)


def test_copies_of_a_text_are_one_piece_of_evidence_for_the_threshold():
    found = serving.choose(out_of_fold(), LABELS, 0.8, 0).abstention
    assert found["independent_tweets"] == ROWS["duplicate_group"].n_unique() < len(ROWS) * 0.6


def test_rows_that_stop_the_training_are_not_trained_on(monkeypatch, tmp_path):
    rows = splits.split(ROWS, 0, by_author=True)
    seen = {}
    monkeypatch.setattr(
        loop, "fit", lambda model, tweets, *_, judge, loss: seen.update(fitted=tweets, judged=judge.rows) or []
    )
    found = classifier.fit(rows, LABELS, Options(base_model="tiny"), tmp_path, silent, "")
    for name, side in (("fitted", "train"), ("judged", "validation")):
        texts = rows.filter(pl.col("split") == side)["text"].to_list()
        expected = found.tokenizer(texts, truncation=True, max_length=classifier.MAX_LENGTH)["input_ids"]
        assert sorted(seen[name].ids) == sorted(expected)


def test_the_epoch_that_was_judged_best_is_kept(tmp_path):
    tokenizer = tiny.tokenizer(ROWS["text"].to_list(), 32)
    torch.manual_seed(0)
    model = tiny.classifier(len(tokenizer), LABELS.names, 32)
    tweets = Tweets(tokenizer, ROWS[:32], LABELS, 32)
    after: list[dict[str, torch.Tensor]] = []

    def worse_each_time(output: object) -> float:
        after.append(copy.deepcopy(model.state_dict()))
        return 1 / len(after)

    judge = loop.Judge(tweets, "macro_f1", worse_each_time)
    recipe = loop.Recipe(epochs=3, learning_rate=1e-3, batch_size=16, seed=0)
    collate = DataCollatorWithPadding(tokenizer)
    history = loop.fit(model, tweets, tweets.lengths, collate, recipe, tmp_path / "run", silent, "", judge=judge)
    assert [entry["macro_f1"] for entry in history] == pytest.approx([1, 1 / 2, 1 / 3])
    kept = model.state_dict()
    assert all(torch.equal(kept[name].cpu(), after[0][name].cpu()) for name in kept)
    assert not all(torch.equal(after[2][name], after[0][name]) for name in kept)
