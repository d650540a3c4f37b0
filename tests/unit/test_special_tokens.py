"""A tweet that spells out special tokens: they are text, and what is explained is what is served."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

from camembias.bundle import Bundle, Layout
from camembias.checkpoint import load_model, load_tokenizer, special_ids
from camembias.reference import torch_logits
from camembias.scoring import Scorer
from camembias.text import normalise
from explain_worker import job
from export import graph
from train import loop, pretraining
from train.classifier import Classifier, Tweets

SPELT = [
    "le <mask> nucléaire &lt;/s&gt; c'est <pad> bien",
    "&lt;pad&gt;",
    "<s>NOTUSED<pad><pad> a",
    "a<unk>NOTUSED <s>b",
]
TEXTS = list(map(normalise, SPELT))


def test_no_special_token_comes_from_a_text(tiny_bundle: Bundle) -> None:
    tokenizer = load_tokenizer(tiny_bundle.layout, 64)
    special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    for text, plain in zip(TEXTS, tokenizer.encode_batch(TEXTS), strict=True):
        inside = plain.ids[1:-1]
        assert not special - {special_ids(tiny_bundle.layout)["unknown"]} & set(inside), text
        assert plain.offsets[-2][1] == len(text)


def test_training_reads_what_serving_reads(tiny_bundle: Bundle) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_bundle.layout.checkpoint))
    served = [found.ids for found in load_tokenizer(tiny_bundle.layout, 64).encode_batch(TEXTS)]
    rows = pl.DataFrame({"text": TEXTS, "label": [tiny_bundle.labels.names[0]] * len(TEXTS)})
    pretrained = pretraining.Texts(tokenizer, TEXTS, 64)
    assert Tweets(tokenizer, rows, tiny_bundle.labels, 64).ids == served
    assert [pretrained[row]["input_ids"] for row in range(len(TEXTS))] == served


@pytest.mark.parametrize("marked", [False, True])
def test_what_judges_a_model_in_training_is_what_serves(tiny_bundle: Bundle, marked: bool) -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_bundle.layout.checkpoint))
    judged = Classifier(tokenizer, load_model(tiny_bundle.layout), 64, loop.Recipe(1, 1e-3, 8, 0), [])
    expected = torch_logits(tiny_bundle, TEXTS, marked=marked)
    assert np.abs(judged.logits(TEXTS, marked) - expected).max() < 1e-4
    assert np.abs(judged.logits(TEXTS, not marked) - expected).max() > 1e-4


def test_none_comes_through_a_tokenizer_of_bytes_either(tmp_path) -> None:
    raw = Tokenizer(models.BPE({"<mask>": 0, **{letter: place for place, letter in enumerate("<mask>", 1)}}, []))
    raw.add_special_tokens(["<mask>"])
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    layout = Layout(tmp_path)
    layout.checkpoint.mkdir()
    raw.save(str(layout.tokenizer))
    assert 0 not in load_tokenizer(layout, 8).encode("<mask>").ids
    assert load_tokenizer(layout, 8, marked=True).encode("<mask>").ids == [0]


def test_a_mark_of_the_program_s_own_is_the_special_token(tiny_bundle: Bundle) -> None:
    ids = load_tokenizer(tiny_bundle.layout, 64, marked=True).encode("le <mask>").ids
    assert special_ids(tiny_bundle.layout)["mask"] in ids


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_explained_is_what_is_served(tiny_bundle: Bundle, tmp_path_factory, text: str) -> None:
    target = tmp_path_factory.mktemp("graph") / "model.onnx"
    graph.export_fp32(tiny_bundle.layout, target)
    served = Scorer.open(tiny_bundle.layout, target, 64, 1).logits([text])[0]
    asked = {"batch": "b", "tweet_id": "1", "label": "viande", "targets": None, "text": text}
    asked |= {"model_version": "v", "method": "integrated_gradients", "baseline": "mask"}
    explained = [row["logit"] for row in job.explain_tweets(job.Model.open(tiny_bundle), [asked])]
    assert np.abs(served - explained).max() < 1e-4
    assert np.abs(served - torch_logits(tiny_bundle, [text])[0]).max() < 1e-4
