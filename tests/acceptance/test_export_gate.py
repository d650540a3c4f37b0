"""The export of a model that was really trained: what passes, what is refused, and what a failure leaves behind."""

import errno
import shutil
from dataclasses import replace

import numpy as np
import pytest

from batch.classifier import Classifier
from camembias import bundle, synthetic
from camembias.bundle import Layout
from camembias.errors import StoreError
from camembias.scoring import Scorer
from export import int8, job

pytestmark = pytest.mark.acceptance


@pytest.fixture
def copy(model, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    return tmp_path / "model"


def coarse(source, names, target, ranges, largest_weight, quantise=int8.quantise):
    """A real quantisation gone wrong: weights of one bit."""
    quantise(source, names, target, ranges, 0.6)


def test_int8_passes_and_no_neighbour_changes_its_logits(model):
    found = bundle.load(model)
    parity = found.manifest.parity
    assert parity["fp32"]["texts"] == 2000
    assert parity["first_token_only"]
    assert parity["fp32"]["agreement"] == parity["stress"]["fp32"]["agreement"] == 1
    assert parity["int8"]["served"]
    assert parity["neighbours_max_abs_logit"] < found.manifest.rescore_margin / 100  # a code turned by last bits
    assert parity["stored_differ"] == parity["held_out_differ"] == 0
    assert parity["held_out"]["agreement"] == 1
    scorer = Scorer.open(found.layout, found.layout.onnx_int8, 128, 2)
    texts = synthetic.tweets(60, seed=31)["text"].to_list()
    alone = np.concatenate([scorer.logits([text]) for text in texts])
    assert np.abs(scorer.logits(texts) - alone).max() < found.manifest.rescore_margin / 100


def test_exporting_again_gives_the_same_serving_version_and_one_section(copy):
    first = job.export(copy, [], count=200)
    second = job.export(copy, [], count=200)
    assert first.serving_version == second.serving_version
    assert first.layout.model_card.read_text(encoding="utf-8").count("## Serving") == 1
    assert [path.name for path in copy.parent.iterdir()] == ["model"]


def test_a_sabotaged_int8_is_refused_and_fp32_serves(copy, monkeypatch):
    monkeypatch.setattr(int8, "quantise", coarse)
    found = job.export(copy, [], count=200)
    assert not found.layout.onnx_int8.exists()
    assert found.manifest.rescore_margin is None
    assert not found.manifest.parity["int8"]["served"]
    assert found.manifest.parity["sentence"].startswith("int8 is left out because it gives PyTorch's label to")
    assert found.manifest.parity["sentence"] in found.layout.model_card.read_text(encoding="utf-8")


def test_fp32_serves_where_int8_does_not_add_exactly(model, monkeypatch):
    """As on a CPU without VNNI, which a bundle with 8-bit weights was copied to."""
    texts = synthetic.tweets(20, seed=32)["text"].to_list()
    there = Classifier.open(bundle.load(model), threads=1)
    assert there.int8 is not None
    monkeypatch.setattr(Scorer, "sums_are_exact", lambda scorer: False)
    here = Classifier.open(bundle.load(model), threads=1)
    assert here.int8 is None
    labels = [one.scores(one.encode(texts))[0].argmax(axis=1).tolist() for one in (there, here)]
    assert labels[0] == labels[1]


def test_weights_have_seven_bits_where_eight_are_not_exact(copy, monkeypatch):
    tried = []

    def quantise(source, names, target, ranges, largest_weight, quantise=int8.quantise):
        tried.append(largest_weight)
        quantise(source, names, target, ranges, largest_weight)

    monkeypatch.setattr(int8, "quantise", quantise)
    monkeypatch.setattr(Scorer, "sums_are_exact", lambda scorer: len(tried) == 2)
    found = job.export(copy, [], count=200)
    assert tried == [int8.WEIGHT_8_BITS, int8.WEIGHT_7_BITS]
    assert found.manifest.parity["int8"]["served"]


def test_an_export_that_fails_leaves_the_old_bundle(copy, monkeypatch):
    def full_disk(source, names, target, *others):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = bundle.load(copy)
    monkeypatch.setattr(int8, "quantise", full_disk)
    with pytest.raises(StoreError, match="disk is full"):
        job.export(copy, [], count=50)
    assert bundle.load(copy).manifest == before.manifest
    assert [path.name for path in copy.parent.iterdir()] == ["model"]


def test_known_labels_and_an_abstention_threshold_are_measured(copy):
    layout = Layout(copy)
    manifest = replace(bundle.read_manifest(layout), abstain_below=0.8, temperature=1.4)
    bundle.seal(layout, manifest)
    tweets = synthetic.tweets(150, seed=41)
    found = job.export(copy, tweets["text"].to_list(), tweets["label"].to_list(), count=200)
    assert 0 < found.manifest.rescore_p < 0.2
    assert found.manifest.parity["stored_differ"] == 0
    assert found.manifest.parity["labelled"] == found.manifest.parity["given"] > 100
