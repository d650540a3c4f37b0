"""A tiny CamemBERT for every test that needs a real model: made once, random weights, no training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from camembias import bundle
from camembias.bundle import Bundle, Manifest
from camembias.labels import DEFAULT_LABELS, Labels
from camembias.schemas import TABLES
from camembias.synthetic import tweets

MAX_LENGTH = 64


@pytest.fixture(scope="session")
def tiny_texts() -> list[str]:
    """Invented tweets, the ones the tokenizer of `tiny_bundle` was made from."""
    return tweets(400, seed=5)["text"].to_list()


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, tiny_texts: list[str]) -> Bundle:
    return build_tiny(tmp_path_factory.mktemp("models") / "tiny", tiny_texts)


def build_tiny(target: Path, texts: list[str]) -> Bundle:
    """A complete bundle but for its ONNX graphs: its serving version is made up, nothing is classified with it."""
    import torch

    from train import tiny

    with bundle.building(target) as layout:
        made = tiny.tokenizer(texts, MAX_LENGTH)
        made.save_pretrained(str(layout.checkpoint))
        torch.manual_seed(3)
        network = tiny.classifier(len(made), DEFAULT_LABELS, MAX_LENGTH)
        network.save_pretrained(str(layout.checkpoint))
        pl.DataFrame(schema=TABLES["training_words"]).drop("model_version").write_parquet(layout.training_words)
        version = bundle.model_version(layout, Labels(DEFAULT_LABELS))
        manifest = Manifest(version, DEFAULT_LABELS, "tiny", MAX_LENGTH, data={}, metrics={})
        bundle.seal(layout, dataclasses.replace(manifest, serving_version="5e121ce00000", temperature=2.0))
    return bundle.load(target)
