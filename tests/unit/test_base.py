"""What training starts from: weights that fit, a mask token, and rates for what is as small as `tiny`."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformers.utils import hub

from camembias.errors import InputError
from camembias.labels import Labels
from train import base, pretraining, tiny

LABELS = Labels(("a", "b"))


@pytest.fixture
def folder(tmp_path: Path, tiny_texts: list[str]) -> Path:
    """A masked language model as `pretrain` leaves one."""
    made = tiny.tokenizer(tiny_texts, 64)
    made.save_pretrained(tmp_path)
    tiny.masked(len(made), 64).save_pretrained(tmp_path)
    return tmp_path


def respelled(folder: Path, change: object) -> None:
    path = folder / "model.safetensors"
    found = {name: tensor.contiguous() for key, tensor in load_file(path).items() for name in change(key)}  # type: ignore[operator]
    save_file(found, path, metadata={"format": "pt"})


def test_a_head_and_a_pooler_may_be_new_and_all_else_is_kept(folder):
    kept = load_file(folder / "model.safetensors")["roberta.embeddings.word_embeddings.weight"]
    for _, model in (base.classifier(str(folder), [], LABELS, 64, 0), base.masked(str(folder), [], 64, 0)):
        assert torch.equal(model.get_input_embeddings().weight, kept)
    respelled(folder, lambda key: [key.removeprefix("roberta.")])  # as a bare encoder is saved
    assert torch.equal(base.classifier(str(folder), [], LABELS, 64, 0)[1].get_input_embeddings().weight, kept)


@pytest.mark.parametrize("spoil", [lambda key: [f"_orig_mod.{key}"], lambda key: [key] * ("layer.2" not in key)])
def test_weights_that_would_stay_random_are_refused(folder, spoil):
    respelled(folder, spoil)
    for load in (lambda: base.classifier(str(folder), [], LABELS, 64, 0), lambda: base.masked(str(folder), [], 64, 0)):
        with pytest.raises(InputError, match="do not fit: 'roberta") as caught:
            load()
        assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_refused(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 256}), encoding="utf-8")
    with pytest.raises(InputError, match="do not fit"):
        base.classifier(str(folder), [], LABELS, 64, 0)


def test_a_base_model_without_a_mask_token_is_refused_when_it_is_loaded(folder):
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        known = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(
            json.dumps({key: known[key] for key in known if key != "mask_token"}), encoding="utf-8"
        )
    with pytest.raises(InputError, match="no mask token"):
        base.classifier(str(folder), [], LABELS, 64, 0)


def test_only_what_comes_from_tiny_learns_as_tiny_does(folder):
    assert base.small("tiny")
    assert not base.small(str(folder))  # narrow, and trained by somebody
    for said in (True, False):
        (folder / "pretraining.json").write_text(json.dumps({"from_tiny": said}), encoding="utf-8")
        assert base.small(str(folder)) is said


def test_texts_of_pretraining_are_what_the_tokenizer_says_however_they_are_cut(tiny_texts, monkeypatch):
    tokenizer, texts = tiny.tokenizer(tiny_texts, 16), tiny_texts[:10]
    monkeypatch.setattr(pretraining, "_CHUNK", 4)
    rows = pretraining.Texts(tokenizer, texts, 16)
    expected = tokenizer(texts, truncation=True, max_length=16)["input_ids"]
    assert [rows[row]["input_ids"] for row in range(len(rows))] == expected
    assert rows.lengths == list(map(len, expected))
    assert len(pretraining.Texts(tokenizer, [], 16)) == 0


def test_the_revision_of_a_folder_is_that_of_its_files(folder):
    def revision() -> str | None:
        return base.revision(str(folder), base.classifier(str(folder), [], LABELS, 64, 0)[1])

    first = revision()
    assert first == revision()
    respelled(folder, lambda key: [key.removeprefix("roberta.")])
    assert revision() != first
    assert base.revision("tiny", base.classifier("tiny", ["un tweet"] * 9, LABELS, 64, 0)[1]) is None


def test_the_revision_of_a_hub_s_model_is_its_commit(folder, tmp_path_factory, monkeypatch):
    commit, cache = "0123456789abcdef0123456789abcdef01234567", tmp_path_factory.mktemp("cache")
    there = cache / "models--almanach--camembert-base"
    (there / "refs").mkdir(parents=True)
    (there / "refs" / "main").write_text(commit, encoding="utf-8")
    shutil.copytree(folder, there / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(hub, "TRANSFORMERS_CACHE", str(cache))
    monkeypatch.setattr(base, "_reachable", lambda name: False)
    for name in ("camembert-base", "almanach/camembert-base"):
        assert base.revision(name, base.classifier(name, [], LABELS, 64, 0)[1]) == commit
