"""The reference that everything is measured against: a bundle's checkpoint in eager fp32 PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from camembias.bundle import Bundle
from camembias.checkpoint import load_model, load_tokenizer, special_ids
from camembias.scoring import Logits, token_batches

_TOKEN_BUDGET = 4096


def torch_logits(
    bundle: Bundle,
    texts: list[str],
    advance: Callable[[int], None] = lambda _: None,
    model: torch.nn.Module | None = None,
    marked: bool = False,
) -> Logits:
    """Logits (tweets, labels) of normalised `texts`, in their order; `advance` hears of each batch's size.

    `model` is the bundle's own, opened by the caller who wants to watch it at work; `marked` as in `load_tokenizer`.
    """
    tokenizer = load_tokenizer(bundle.layout, bundle.manifest.max_length, marked)
    model, pad = model or load_model(bundle.layout), special_ids(bundle.layout)["pad"]
    rows = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    found: Logits = np.zeros((len(rows), len(bundle.labels)), dtype=np.float32)
    for batch in token_batches([len(ids) for ids in rows], _TOKEN_BUDGET):
        longest = len(rows[batch[0]])
        ids = torch.tensor([rows[row] + [pad] * (longest - len(rows[row])) for row in batch])
        mask = torch.tensor([[1] * len(rows[row]) + [0] * (longest - len(rows[row])) for row in batch])
        with torch.inference_mode():
            found[batch] = model(input_ids=ids, attention_mask=mask).logits.numpy()
        advance(len(batch))
    return found
