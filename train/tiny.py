"""The base model `tiny`: a tokenizer and a 4-layer CamemBERT made from scratch on the training text.

For machines with no network, and for tests that must really train. It has read nothing but its tweets, so it knows no
French beyond them: those of the training split, or of `pretrain`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CamembertConfig,
    CamembertForMaskedLM,
    CamembertForSequenceClassification,
    PreTrainedTokenizerFast,
)

# The order of CamemBERT's own special tokens, so that pad=1, bos=5, eos=6, mask=7 hold here too.
SPECIALS = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", "<mask>"]
LARGEST_VOCABULARY = 8000


def tokenizer(texts: Sequence[str], max_length: int) -> PreTrainedTokenizerFast:
    """A Unigram tokenizer trained on `texts`: the same texts always give the same one."""
    raw = Tokenizer(models.Unigram())
    raw.normalizer = normalizers.NFC()
    raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    raw.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=LARGEST_VOCABULARY, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
    )
    raw.train_from_iterator(texts, trainer)
    raw.model = models.Unigram(_in_fixed_order(json.loads(raw.to_str())["model"]["vocab"]), unk_id=3)
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 5), ("</s>", 6)]
    )
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=max_length,
        **names,
    )


def _in_fixed_order(vocabulary: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """The trainer sums in an order, and ranks rare characters 0.0001 apart, by a hash that differs in every process.

    Left so, the same tweets would give other token ids, and so another model, each time.
    """
    pieces = vocabulary[len(SPECIALS) :]
    floor = min(score for _, score in pieces)
    spread = floor + 1e-4 * len(pieces)
    level = [(piece, round(floor if len(piece) == 1 and score < spread else score, 6)) for piece, score in pieces]
    return [*map(tuple, vocabulary[: len(SPECIALS)]), *sorted(level, key=lambda entry: (-entry[1], entry[0]))]  # type: ignore[list-item]


def classifier(vocabulary: int, labels: tuple[str, ...], max_length: int) -> CamembertForSequenceClassification:
    """Random weights: the caller seeds torch."""
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: row for row, name in enumerate(labels)}}
    return CamembertForSequenceClassification(_config(vocabulary, max_length, **names))


def masked(vocabulary: int, max_length: int) -> CamembertForMaskedLM:
    """Random weights: the caller seeds torch."""
    return CamembertForMaskedLM(_config(vocabulary, max_length))


def _config(vocabulary: int, max_length: int, **names: Any) -> CamembertConfig:
    return CamembertConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=max_length + 2,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=5,
        eos_token_id=6,
        **names,
    )
