"""Faithfulness measures, on a model whose one reason is known."""

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import spearmanr
from test_attribution import SPECIAL_IDS, TEXTS, TOKENIZER, make_network
from transformers import AutoModelForSequenceClassification, ModernBertConfig

from camembias import store as stores
from camembias.errors import InputError
from camembias.labels import DEFAULT_LABELS, Labels
from camembias.schemas import TABLES
from camembias.text import text_hash, words
from explain_worker import job, quality
from explain_worker.precision import spearman

VERSION = "0123456789ab"


@pytest.fixture(scope="module")
def model():
    network = make_network(TOKENIZER.get_vocab_size())
    return job.Model(VERSION, Labels(DEFAULT_LABELS), network, TOKENIZER, SPECIAL_IDS)


def explained(model: job.Model, texts: list[str]) -> list[quality.Explained]:
    """As the worker would store them, each for the label that the model gives it."""
    found = []
    for text in texts:
        with torch.no_grad():
            label = DEFAULT_LABELS[int(model.network(torch.tensor([TOKENIZER.encode(text).ids])).logits.argmax())]
        asked = {"batch": "b", "tweet_id": text, "text": text, "label": label, "targets": [label]}
        request = {**asked, "model_version": VERSION, "method": "integrated_gradients", "baseline": "mask"}
        [row] = job.explain_tweets(model, [request])
        scores = [word["score"] for word in row["words"]]
        found.append(quality.Explained(text, label, words(text)[: len(scores)], scores))  # without what was truncated
    return found


def value(rows: pl.DataFrame, measure: str, variant: str) -> float:
    return float(rows.filter(measure=measure, variant=variant)["mean"].item())


def test_scores_of_the_model_beat_random_order_and_opposite_scores_lose(model):
    tweets = explained(model, TEXTS[:20])
    rows = quality.quality(model, tweets, seed=1)
    assert rows.schema == TABLES["quality"]
    assert rows.filter((pl.col("low") > pl.col("mean")) | (pl.col("mean") > pl.col("high"))).is_empty()
    assert value(rows, "comprehensiveness", "difference") > 0.02
    assert value(rows, "sufficiency", "difference") < -0.02
    for measure in ("comprehensiveness", "sufficiency"):
        own, random = value(rows, measure, "scores"), value(rows, measure, "random")
        assert own - random == pytest.approx(value(rows, measure, "difference"))
    assert abs(value(rows, "randomised_parameters", "all")) < 0.4
    against = [quality.Explained(t.text, t.label, t.words, [-score for score in t.scores]) for t in tweets]
    assert value(quality.quality(model, against, seed=1), "comprehensiveness", "difference") < 0


def test_erasure_by_hand(model):
    """Two words: every share of TOP up to 50 % is one word, so AOPC is the drop for that word."""
    [tweet] = explained(model, ["avion viande"])
    found = quality._erasure(model, tweet, np.random.default_rng(0))
    encoding = TOKENIZER.encode(tweet.text)
    special = encoding.special_tokens_mask
    best = int(np.argmax(tweet.scores))
    cut = tweet.words[1].start - 1  # the space goes with the word behind it
    first = [not added and stop <= cut for added, (_, stop) in zip(special, encoding.offsets, strict=True)]
    second = [not added and not one for added, one in zip(special, first, strict=True)]

    def p(removed: list[bool]) -> float:
        ids = torch.tensor([[7 if gone else token for token, gone in zip(encoding.ids, removed, strict=True)]])
        return float(model.network(ids).logits.softmax(1)[0, DEFAULT_LABELS.index(tweet.label)])

    whole, top, rest = p([False] * len(encoding.ids)), *((p(first), p(second)) if best == 0 else (p(second), p(first)))
    assert found["comprehensiveness", "scores"] == pytest.approx(whole - top, abs=1e-5)
    assert found["sufficiency", "scores"] == pytest.approx(whole - rest, abs=1e-5)


def test_randomised_copies_leave_the_model_alone_and_cascade(model):
    before = {name: weight.clone() for name, weight in model.network.named_parameters()}
    stages = quality.randomised(model.network, seed=0)
    changed = []
    for _, network in stages:
        now = dict(network.named_parameters())
        changed.append({name for name, weight in before.items() if not torch.equal(weight, now[name])})
        for name, weight in before.items():
            assert torch.equal(weight.flatten().sort().values, now[name].flatten().sort().values)
    assert all(torch.equal(weight, before[name]) for name, weight in model.network.named_parameters())
    head, upper, everything = changed
    assert head
    assert all(name.startswith("classifier.") for name in head)
    assert head < upper < everything
    assert not any("layer.0." in name for name in upper)


def test_the_upper_half_is_found_where_layers_are_called_layers():
    config = ModernBertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, pad_token_id=1
    )
    before = dict((network := AutoModelForSequenceClassification.from_config(config)).named_parameters())
    (_, head), (_, upper), _ = quality.randomised(network, seed=0)
    assert all(torch.equal(weight, before[name]) for name, weight in head.named_parameters() if "layers." in name)
    changed = {name for name, weight in upper.named_parameters() if not torch.equal(weight, before[name])}
    assert {name.split(".")[2] for name in changed if "layers." in name} == {"2", "3"}


def test_intervals_cover_and_shrink():
    dice = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        mean, low, high = quality.interval(dice.normal(size=60), dice)
        assert low <= mean <= high
        covered.append(low <= 0 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99
    assert quality.interval(np.ones(5), dice) == (1.0, 1.0, 1.0)


def test_spearman_is_scipy_s_without_ties():
    dice = np.random.default_rng(0)
    left, right = dice.normal(size=(2, 30))
    assert spearman(left, right) == pytest.approx(spearmanr(left, right)[0])


def test_a_store_without_explanations_says_what_to_do(model, tmp_path):
    with pytest.raises(InputError, match="camembias explain --sample 10"):
        quality.explained_tweets(stores.create(tmp_path / "s"), model, 10, 0)


def test_the_text_that_was_explained_is_taken_and_a_tweet_without_it_is_left_out(model, tmp_path):
    store = stores.create(tmp_path / "s")
    texts = TEXTS[:4]
    rows = explained(model, texts)
    names = ("word", "surface", "start", "stop")
    base = {"batch": "b", "model_version": VERSION, "method": "integrated_gradients", "baseline": "mask"}
    stored = [
        {
            **base,
            **{"tweet_id": str(number), "target": row.label, "label": row.label, "computed_at": stores.now()},
            "text_hash": text_hash(row.text),
            "words": [
                dict(zip(names, w, strict=True)) | {"score": s} for w, s in zip(row.words, row.scores, strict=True)
            ],
        }
        for number, row in enumerate(rows)
    ]
    store.write("explanations", "b", pl.DataFrame(stored, schema=TABLES["explanations"]))
    seen = [{"tweet_id": str(n), "text": text, "seen_at": stores.now()} for n, text in enumerate(texts)]
    seen[2]["text"] = "un tout autre texte"
    seen += [{**seen[0], "text": f"{texts[0]} et plus", "seen_at": stores.now()}]  # truncated when it was explained
    seen = [{**row, "text_hash": text_hash(row["text"])} for row in seen]
    for part in ("t", "again"):
        store.write("tweets", part, pl.DataFrame(seen, schema=TABLES["tweets"]))
    found = quality.explained_tweets(store, model, 10, 0)
    assert sorted(one.text for one in found) == sorted(texts[:2] + texts[3:])
    assert quality.explained_tweets(store, model, 2, 0) == found[:2]
    assert len(quality.explained_tweets(store, model, 2, 0)) == 2
