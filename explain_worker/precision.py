"""The precision of gradients: the fastest that says the same as fp32, found by measuring at start-up.

It knows the model and its tokenizer. Logits, and with them completeness, are fp32 whatever is chosen here.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from camembias.settings import cpu_count
from camembias.synthetic import tweets
from camembias.text import normalise
from explain_worker.attribution import Attribution, explain
from explain_worker.budget import token_budget
from explain_worker.path import Passes, Row
from explain_worker.words import word_scores

PROBE_TWEETS = 12
PROBE_S = 15.0  # after which no more of them are begun: a worker that starts on a slow model answers nobody meanwhile
LEAST_AGREEMENT = 0.99  # Spearman over a tweet's words, between bf16 and fp32, at the 5th percentile of tweets x labels
_log = logging.getLogger(__name__)


def choose_passes(network: torch.nn.Module, special_ids: Mapping[str, int], tokenizer: Any) -> Passes:
    """fp32, or bf16 where the device has it and it is faster, agrees and adds up as well on invented tweets."""
    streams = cpu_count() if next(network.parameters()).device.type == "cpu" else 1
    exact = Passes(network, token_budget=token_budget(network, streams), streams=streams)
    if not has_bf16(next(network.parameters()).device):
        return exact
    reduced = replace(exact, network=bf16_copy(network), precision="bf16")
    texts = [normalise(text) for text in tweets(PROBE_TWEETS, seed=11)["text"]]
    labels = range(network.config.num_labels)  # type: ignore[union-attr, arg-type]
    rows = [Row(one.ids, one.special_tokens_mask, labels) for one in tokenizer.encode_batch(texts)]
    found: dict[str, list[Attribution]] = {exact.precision: [], reduced.precision: []}
    seconds = dict.fromkeys(found, 0.0)
    seen, until = 0, time.monotonic() + PROBE_S
    for way in (exact, reduced):
        explain(network, special_ids, rows[:1], passes=way)  # the first passes of a kind are slow
    while seen < len(rows) and (not seen or time.monotonic() < until):
        part = rows[seen : seen + PROBE_TWEETS // 3]
        for way in (exact, reduced):
            began = time.perf_counter()
            found[way.precision] += explain(network, special_ids, part, passes=way)
            seconds[way.precision] += time.perf_counter() - began
        seen += len(part)
    agreement = _agreement(texts[:seen], tokenizer, rows[:seen], found["fp32"], found["bf16"])
    complete = {name: sum(one.converged for one in many) for name, many in found.items()}
    passed = agreement >= LEAST_AGREEMENT and complete["bf16"] >= complete["fp32"]
    chosen = reduced if passed and seconds["bf16"] < seconds["fp32"] else exact
    _log.info(
        "gradients in %s: bf16 took %.2f of fp32's time, agrees to %.4f, %d against %d of %d complete",
        *(chosen.precision, seconds["bf16"] / seconds["fp32"], agreement, complete["bf16"], complete["fp32"]),
        len(found["fp32"]),
    )
    return chosen


def has_bf16(device: torch.device) -> bool:
    """In hardware: emulated, it is a hundred times slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def bf16_copy(network: torch.nn.Module) -> torch.nn.Module:
    """The same model with the weights of its linear layers in bf16; embeddings, norms and residuals stay fp32."""
    made = copy.deepcopy(network)
    for module in made.modules():
        if isinstance(module, torch.nn.Linear):
            module.to(torch.bfloat16)
    return made


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    """Rank correlation; ties count by their order, 1 where either side is constant."""
    pair = np.array([left, right])
    if np.ptp(pair, axis=1).min(initial=np.inf) == 0 or pair.shape[1] == 0:
        return 1.0
    ranks = pair.argsort(axis=1, kind="stable").argsort(axis=1)
    return float(np.corrcoef(ranks[0], ranks[1]).item(1))


def _agreement(
    texts: Sequence[str], tokenizer: Any, rows: Sequence[Row], left: Sequence[Attribution], right: Sequence[Attribution]
) -> float:
    """The 5th percentile, over tweets x labels, of Spearman's correlation over words."""
    encodings = tokenizer.encode_batch(list(texts))
    found = []
    for position, (one, other) in enumerate(zip(left, right, strict=True)):
        number = position // len(rows[0].targets)
        text, encoding = texts[number], encodings[number]
        pair = [word_scores(text, encoding.offsets, encoding.special_tokens_mask, x.scores)[0] for x in (one, other)]
        found.append(spearman(*([word["score"] for word in words] for words in pair)))
    return float(np.quantile(found, 0.05))
