"""Adapts a language model to a stream of tweets before any label is seen (Gururangan et al. 2020).

Masked-language-model training: 15 % of the tokens are hidden and guessed. What comes out is a folder to be given to
`train --base-model`: tokenizer, encoder, and `pretraining.json` with the loss on held-out tweets before and after.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling

from camembias import bundle
from camembias.files import write_text
from camembias.scoring import token_batches
from camembias.text import NORMALISER_VERSION
from train import base, loop
from train.classifier import MAX_LENGTH
from train.corpus import Corpus
from train.progress import Tell, silent
from train.working import working

_MASKED = 0.15
_TOKEN_BUDGET = 4096
_CHUNK = 4096  # texts that are encoded at once
_EPOCHS, _SMALL_EPOCHS = 1, 2
_LEARNING_RATE, _SMALL_LEARNING_RATE = 5e-5, 1e-3


@dataclass(frozen=True, slots=True)
class Options:
    base_model: str = base.DEFAULT
    epochs: float | None = None  # None: 1, or 2 for `tiny`
    learning_rate: float | None = None  # None: 5e-5, or 1e-3 for `tiny`
    batch_size: int = 32
    accumulate: int = 1
    precision: str = "auto"
    max_length: int = MAX_LENGTH
    seed: int = 0


class Texts(torch.utils.data.Dataset[dict[str, Any]]):
    """Token ids of each text, one after another in one array: a list a text takes ten times the memory."""

    def __init__(self, tokenizer: Any, texts: list[str], max_length: int) -> None:
        ids = [np.zeros(0, dtype=np.int32)]
        self.lengths: list[int] = []
        cutter = base.as_served(tokenizer, max_length)
        for start in range(0, len(texts), _CHUNK):
            rows = [encoding.ids for encoding in cutter.encode_batch(texts[start : start + _CHUNK])]
            self.lengths += map(len, rows)
            ids.append(np.fromiter(chain.from_iterable(rows), dtype=np.int32))
        self.ids, self.ends = np.concatenate(ids), np.cumsum(self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self.ids[self.ends[row] - self.lengths[row] : self.ends[row]].tolist()}


class _Masking(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """The mask of a batch depends on what is in it alone, so a resumed run draws what an undisturbed one would.

    Epochs compose their batches differently, so a tweet is still masked differently each time.
    """

    def torch_call(self, examples: list[Any]) -> dict[str, Any]:
        content = hashlib.sha256(repr([example["input_ids"] for example in examples]).encode()).digest()
        self.generator = torch.Generator().manual_seed(int.from_bytes(content[:7]))
        batch: dict[str, Any] = super().torch_call(examples)
        return batch


def pretrain(
    corpus: Corpus, target: Path, options: Options, tell: Tell = silent, resume: bool = False
) -> dict[str, Any]:
    """Train on `corpus.train`, write the folder `target`, and return what its `pretraining.json` says.

    An unfinished run is kept in `NAME.training` beside it, as `train` does, and can be resumed likewise. Raises
    InputError as `train` does; what `target` may hold is an adapted model.
    """
    target = bundle.replaceable(target, bundle.PRETRAINED)
    loop.precision(options.precision)  # refused before anything is made
    with working(target, _identity(corpus, options), resume) as folder:
        tokenizer, model = base.masked(options.base_model, corpus.train, options.max_length, options.seed)
        rows = Texts(tokenizer, corpus.train, options.max_length)
        unseen = Texts(tokenizer, corpus.held_out, options.max_length)
        collate = _Masking(tokenizer, mlm_probability=_MASKED)
        recipe = _recipe(options)
        before = held_out_loss(model, unseen, collate)
        loop.fit(model, rows, rows.lengths, collate, recipe, folder, tell, "pretraining")
        after = held_out_loss(model, unseen, collate)
        record = {
            "base_model": base.resolve(options.base_model),
            "base_revision": base.revision(options.base_model, model),
            "from_tiny": base.small(options.base_model),
            "rows": corpus.rows,
            "texts": len(corpus.train),
            "held_out": len(corpus.held_out),
            "dropped": corpus.dropped,
            "loss_before": before,
            "loss_after": after,
            "perplexity_before": math.exp(before),
            "perplexity_after": math.exp(after),
            "normaliser": NORMALISER_VERSION,
            **asdict(recipe),
            "precision": loop.precision(recipe.precision),
            "versions": bundle.library_versions(),
        }
        with bundle.building(target) as layout:
            model.save_pretrained(str(layout.root), safe_serialization=True)
            tokenizer.save_pretrained(str(layout.root))
            write_text(layout.root / bundle.PRETRAINED, json.dumps(record, ensure_ascii=False, indent=1))
    return record


def held_out_loss(model: Any, rows: Texts, collate: Any) -> float:
    """Mean cross-entropy in nats over the masked tokens; the same rows are always masked alike."""
    total, tokens = 0.0, 0
    model.eval()
    for batch in token_batches(rows.lengths, _TOKEN_BUDGET):
        inputs = collate([rows[row] for row in batch]).to(model.device)
        labels = inputs.pop("labels")
        with torch.inference_mode():
            logits = model(**inputs).logits.float()
        hidden = labels != -100
        total += float(torch.nn.functional.cross_entropy(logits[hidden], labels[hidden], reduction="sum"))
        tokens += int(hidden.sum())
    return total / max(tokens, 1)


def _recipe(options: Options) -> loop.Recipe:
    small = base.small(options.base_model)
    return loop.Recipe(
        epochs=options.epochs or (_SMALL_EPOCHS if small else _EPOCHS),
        learning_rate=options.learning_rate or (_SMALL_LEARNING_RATE if small else _LEARNING_RATE),
        batch_size=options.batch_size,
        seed=options.seed,
        accumulate=options.accumulate,
        precision=options.precision,
    )


def _identity(corpus: Corpus, options: Options) -> dict[str, Any]:
    content = hashlib.sha256("\0".join([*corpus.train, *corpus.held_out]).encode()).hexdigest()[:12]
    return {"data": content, **asdict(options)}
