"""Export of architectures that are not BERT's: keys shared with positions, layers under other names, no int8 at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import transformers

from camembias import bundle
from camembias.bundle import Bundle, Layout, Manifest
from camembias.labels import Labels
from export import job
from train import tiny

LABELS = Labels(("a", "b", "c"))
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "pad_token_id": 1,
}
DEBERTA = {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"]}
DEBERTA |= {"share_att_key": True, "position_buckets": 16, "norm_rel_ebd": "layer_norm", "type_vocab_size": 0}
MODERN = {"bos_token_id": 5, "cls_token_id": 5, "eos_token_id": 6, "sep_token_id": 6}
KINDS: dict[str, Any] = {
    "deberta": lambda size: transformers.DebertaV2Config(vocab_size=size, **SMALL, **DEBERTA),
    "modernbert": lambda size: transformers.ModernBertConfig(vocab_size=size, **SMALL, **MODERN),
    "distilbert": lambda size: transformers.DistilBertConfig(
        vocab_size=size, dim=32, n_layers=2, n_heads=2, hidden_dim=64, pad_token_id=1
    ),
}


def build(kind: str, root: Path, texts: list[str]) -> Bundle:
    """A bundle of the kind with random weights, and logits far enough apart for int8 to keep the labels."""
    tokenizer = tiny.tokenizer(texts, 32)
    config = KINDS[kind](len(tokenizer))
    config.id2label = dict(enumerate(LABELS.names))
    torch.manual_seed(0)
    network = transformers.AutoModelForSequenceClassification.from_config(config)
    network.classifier.weight.data *= 20
    layout = Layout(root)
    network.save_pretrained(layout.checkpoint)
    tokenizer.save_pretrained(layout.checkpoint)
    version = bundle.model_version(layout, LABELS)
    return bundle.seal(layout, Manifest(version, LABELS.names, kind, 32, data={}, metrics={}))


@pytest.mark.parametrize("kind", KINDS)
def test_products_of_the_body_are_in_int8_and_no_other(kind, tmp_path, tiny_texts):
    made = build(kind, tmp_path / "model", tiny_texts)
    layers = job.layers.of_the_body(job.load_model(made.layout))
    assert layers
    fp32, int8 = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    job.graph.export_fp32(made.layout, fp32)
    job.int8.quantise(fp32, layers, int8)
    nodes = onnx.load(str(int8)).graph.node
    found = {job.layers.layer_of(node) for node in nodes if node.op_type == "MatMulIntegerToFloat"}
    assert found == set(layers)


@pytest.mark.parametrize("kind", ["deberta", "modernbert"])
def test_a_kind_is_exported_and_its_int8_is_int8(kind, tmp_path, tiny_texts):
    found = job.export(build(kind, tmp_path / "model", tiny_texts).layout.root, tiny_texts, count=100)
    parity = found.manifest.parity or {}
    assert parity["int8"]["refused"] is None
    assert parity["int8"]["max_abs_logit"] > 1e-5


def raises(source, names, target, *others):
    raise RuntimeError("no such\noperator")


def copies(source, names, target, *others):
    target.write_bytes(source.read_bytes())


@pytest.mark.parametrize(
    ("quantise", "why"), [(raises, "RuntimeError: no such operator"), (copies, "none of its products")]
)
def test_without_an_int8_graph_fp32_serves_and_the_reason_is_kept(tmp_path, tiny_texts, monkeypatch, quantise, why):
    made = build("distilbert", tmp_path / "model", tiny_texts)
    monkeypatch.setattr(job.int8, "quantise", quantise)
    found = job.export(made.layout.root, tiny_texts, count=50)
    parity = found.manifest.parity or {}
    assert why in parity["int8"]["refused"]
    assert not parity["int8"]["served"]
    assert not found.layout.onnx_int8.exists()
    assert parity["sentence"] in found.layout.model_card.read_text(encoding="utf-8")
