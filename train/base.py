"""The model that training starts from: a preset's short name, a hub name, a folder, or `tiny`, made from scratch.

Knows how each is loaded, what to say when it cannot be, and how long and fast a model of its kind should learn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers import logging as transformers_logging

from camembias import bundle
from camembias.checkpoint import prepared
from camembias.errors import InputError
from camembias.files import sha256
from camembias.labels import Labels
from train import tiny

TINY = "tiny"
DEFAULT = "camembert-base"
# French or multilingual encoders whose architectures optimum exports to ONNX as text classifiers.
PRESETS = {
    "camembert-base": "almanach/camembert-base",
    "camembert-large": "almanach/camembert-large",
    "distilcamembert-base": "cmarkea/distilcamembert-base",
    "bertweetfr-base": "Yanzhu/bertweetfr-base",
    "camemberta-base": "almanach/camemberta-base",
    "camembertv2-base": "almanach/camembertv2-base",
    "camembertav2-base": "almanach/camembertav2-base",
    "moderncamembert-base": "almanach/moderncamembert-base",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
}
_RESERVED_POSITIONS = 2  # RoBERTa-like models count positions from 2
_FEWEST_PIECES = 1000
_MOST_UNKNOWN = 0.2


def resolve(name: str) -> str:
    """A preset's hub name; anything else unchanged. A folder of a preset's name wins."""
    return name if Path(name).is_dir() else PRESETS.get(name, name)


def classifier(name: str, texts: Sequence[str], labels: Labels, max_length: int, seed: int) -> tuple[Any, Any]:
    """Tokenizer and model with a new classification head; `texts` make the tokenizer of `tiny`.

    Raises InputError when the base model is neither a folder nor reachable, or cannot be used.
    """
    if name == TINY:
        tokenizer = tiny.tokenizer(texts, max_length)
        torch.manual_seed(seed)
        return tokenizer, tiny.classifier(len(tokenizer), labels.names, max_length)
    torch.manual_seed(seed)
    return _load(
        AutoModelForSequenceClassification,
        name,
        max_length,
        num_labels=len(labels),
        id2label=dict(enumerate(labels.names)),
        label2id={label: position for position, label in enumerate(labels.names)},
        ignore_mismatched_sizes=True,  # the head of another classifier gives way to a new one
    )


def masked(name: str, texts: Sequence[str], max_length: int, seed: int) -> tuple[Any, Any]:
    """Tokenizer and masked language model. Raises InputError like `classifier`."""
    if name == TINY:
        tokenizer = tiny.tokenizer(texts, max_length)
        torch.manual_seed(seed)
        return tokenizer, tiny.masked(len(tokenizer), max_length)
    torch.manual_seed(seed)
    return _load(AutoModelForMaskedLM, name, max_length)


def revision(name: str, model: Any) -> str | None:
    """Which weights a loaded `model` began with: the hub's commit, a digest of a folder's files; None for `tiny`."""
    folder = Path(resolve(name))
    if name == TINY or not folder.is_dir():
        return getattr(model.config, "_commit_hash", None)
    files = sorted({*folder.glob("*.safetensors"), folder / "tokenizer.json"})
    return bundle.digest([sha256(path) for path in files])


def as_served(tokenizer: Any, max_length: int, marked: bool = False) -> Tokenizer:
    """A copy of the fast tokenizer, cutting texts into what the bundle will cut them into once it serves."""
    return prepared(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), max_length, marked)


def small(name: str) -> bool:
    """True for `tiny`, also after pretraining: its learning rate and its number of epochs are larger."""
    record = Path(name) / bundle.PRETRAINED
    return name == TINY or (record.is_file() and bool(json.loads(record.read_text(encoding="utf-8")).get("from_tiny")))


def _load(kind: Any, name: str, max_length: int, **arguments: Any) -> tuple[Any, Any]:
    hub = resolve(name)
    if Path(hub).is_dir() and _lacks(hub):
        raise InputError(_unreachable(name, hub))
    try:
        with _quiet():
            local = Path(hub).is_dir() or not _reachable(
                hub
            )  # without a network, what was downloaded before still serves
            # no code of the model's own, and safetensors only: a pickled checkpoint can run code
            common = {"local_files_only": local, "trust_remote_code": False}
            tokenizer = AutoTokenizer.from_pretrained(hub, use_fast=True, **common)
            model, loaded = kind.from_pretrained(
                hub, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **common, **arguments
            )
    except (OSError, ValueError) as err:
        raise InputError(_unreachable(name, hub)) from err
    _refuse_other_weights(model, loaded, name)
    _refuse_broken_vocabulary(tokenizer, name)
    if not tokenizer.is_fast:
        raise InputError(f"'{name}' has no fast tokenizer (tokenizer.json); take another base model")
    if tokenizer.mask_token is None:
        raise InputError(f"'{name}' has no mask token, which judging a model by masked words needs; take another one")
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and positions - _RESERVED_POSITIONS < max_length:
        raise InputError(
            f"'{name}' reads {positions - _RESERVED_POSITIONS} tokens, not {max_length}; take another base model"
        )
    return tokenizer, model


def _reachable(hub: str) -> bool:
    """One question to the hub: loading itself would try each file for most of a minute."""
    try:
        HfApi().model_info(hub, timeout=10)
    except (OSError, ValueError):
        return False
    return True


def _lacks(folder: str) -> list[str]:
    """What a folder needs and has not; large models keep their weights in several files."""
    files = {path.name for path in Path(folder).iterdir()}
    missing = sorted({"config.json", "tokenizer.json"} - files)
    return missing if any(name.endswith(".safetensors") for name in files) else [*missing, "model.safetensors"]


def _unreachable(name: str, hub: str) -> str:
    if Path(hub).is_dir():
        return (
            f"cannot load base model '{name}': the folder lacks {', '.join(_lacks(hub)) or 'nothing, but is damaged'}; "
            "fetch it again, with safetensors weights and a fast tokenizer"
        )
    return (
        f"cannot load base model '{name}': not a folder, and not reachable. Where there is a network: hf download "
        f"{hub} --local-dir DIR; then pass --base-model DIR here. Short names: {', '.join(PRESETS)}; no network: {TINY}"
    )


def _refuse_other_weights(model: Any, loaded: Mapping[str, Any], name: str) -> None:
    """What does not fit stays random without an error. Only what a base model may lack can be: a head, a pooler."""
    new = {*loaded["missing_keys"], *loaded["mismatched_keys"]}
    encoder = f"{model.base_model_prefix}."
    wrong = sorted(key for key in new if key.startswith(encoder) and ".pooler." not in key)
    if wrong:
        raise InputError(
            f"the weights of '{name}' do not fit: '{wrong[0]}' and {len(wrong) - 1} more are missing or of another "
            "shape; fetch its files again, or take another base model"
        )


def _refuse_broken_vocabulary(tokenizer: Any, name: str) -> None:
    """A tokenizer file that failed to load half-way gives a near-empty vocabulary without an error."""
    probe = tokenizer("Les centrales nucléaires françaises produisent de l'électricité.", add_special_tokens=False)
    unknown = probe["input_ids"].count(tokenizer.unk_token_id) / max(len(probe["input_ids"]), 1)
    if len(tokenizer) < _FEWEST_PIECES or unknown > _MOST_UNKNOWN:
        raise InputError(
            f"the tokenizer of '{name}' knows {len(tokenizer)} pieces and {1 - unknown:.0%} of a French sentence; "
            "fetch its files again, tokenizer.json included"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """That the head is new is what training is for: no warning about it."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
