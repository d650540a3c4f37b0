"""The base model `tiny`: a tokenizer and a 4-layer CamemBERT made from scratch on the training text.

For machines with no network, and for tests that must really train. It has read nothing but the training tweets,
so it knows no French beyond them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CamembertConfig, CamembertForSequenceClassification, PreTrainedTokenizerFast

# The order of CamemBERT's own special tokens, so that pad=1, bos=5, eos=6, mask=7 hold here too.
SPECIALS = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", "<mask>"]
LARGEST_VOCABULARY = 8000


def tokenizer(texts: list[str], folder: Path, max_length: int) -> PreTrainedTokenizerFast:
    """Train a Unigram tokenizer on `texts` and save it to `folder`."""
    raw = Tokenizer(models.Unigram())
    raw.normalizer = normalizers.NFC()
    raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    raw.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=LARGEST_VOCABULARY, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
    )
    raw.train_from_iterator(texts, trainer)
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 5), ("</s>", 6)]
    )
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=max_length,
        **names,
    )
    fast.save_pretrained(str(folder))
    return fast


def model(vocabulary: int, labels: tuple[str, ...], max_length: int, seed: int) -> CamembertForSequenceClassification:
    torch.manual_seed(seed)
    config = CamembertConfig(
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
        id2label=dict(enumerate(labels)),
        label2id={name: position for position, name in enumerate(labels)},
    )
    return CamembertForSequenceClassification(config)
