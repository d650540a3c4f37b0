"""Integrated Gradients of one logit with respect to the word embeddings. The only module that imports captum.

It knows token ids and logits. It does not know text, words, labels' names, the store or the queue.
The path goes from `<mask>` everywhere but `<s>` and `</s>` to the tweet, with the tweet's own attention mask and
positions at both ends: RoBERTa-like models would else read a baseline at other positions than the input, and the
attributions would add up to something that no logit is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from captum.attr import IntegratedGradients

from camembias.checkpoint import position_ids
from camembias.scoring import token_batches

METHOD = "integrated_gradients"
BASELINE = "mask"
NODES = (8, 16, 32, 64)  # Gauss-Legendre nodes; only rows that fail with few are done again with more
LARGEST_ERROR = 0.05  # relative completeness error of a row that counts as converged
SMALLEST_CHANGE = 0.05  # logits; floor of the denominator, so that near-zero changes can pass
TOKEN_BUDGET = 2048  # tokens in one forward pass, padding and nodes included: about 1 GB for a base model


@dataclass(frozen=True, slots=True)
class Row:
    """One tweet and one target: token ids, which of them the tokenizer added, and the id of the label."""

    ids: Sequence[int]
    special: Sequence[int]
    target: int


@dataclass(frozen=True, slots=True)
class Attribution:
    scores: list[float]  # (tokens,) raw and signed, on the logit scale
    steps: int
    logit: float
    logit_baseline: float
    duration_ms: float  # this row's share of its batches, all tries included

    @property
    def delta(self) -> float:
        """Logits by which the scores miss the change that they explain."""
        return sum(self.scores) - (self.logit - self.logit_baseline)

    @property
    def relative_error(self) -> float:
        return abs(self.delta) / max(abs(self.logit - self.logit_baseline), SMALLEST_CHANGE)

    @property
    def converged(self) -> bool:
        return self.relative_error <= LARGEST_ERROR  # False for nan


def explain(
    model: torch.nn.Module, special_ids: Mapping[str, int], rows: Sequence[Row], nodes: Sequence[int] = NODES
) -> list[Attribution]:
    """Attributions in the order of `rows`. Rows that never converge keep their best try, and say so."""
    found: dict[int, Attribution] = {}
    pending = list(range(len(rows)))
    for steps in nodes:
        for batch in token_batches([len(rows[row].ids) for row in pending], TOKEN_BUDGET):
            numbers = [pending[position] for position in batch]
            tried = _explain_batch(model, special_ids, [rows[number] for number in numbers], steps)
            for number, attribution in zip(numbers, tried, strict=True):
                found[number] = _better(found.get(number), attribution)
        pending = [number for number in pending if not found[number].converged]
    return [found[number] for number in range(len(rows))]


def _better(old: Attribution | None, new: Attribution) -> Attribution:
    """More nodes are not always better: keep the smaller error, and the time that both took."""
    if old is None:
        return new
    best = old if old.relative_error < new.relative_error else new
    return Attribution(best.scores, best.steps, best.logit, best.logit_baseline, old.duration_ms + new.duration_ms)


def _explain_batch(
    model: torch.nn.Module, special_ids: Mapping[str, int], rows: Sequence[Row], steps: int
) -> list[Attribution]:
    started = time.perf_counter()
    embedding = model.get_input_embeddings()  # type: ignore[operator]
    device = embedding.weight.device
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), special_ids["pad"], device=device)  # (rows, tokens)
    baseline = ids.clone()
    attention = torch.zeros_like(ids)
    for line, row in enumerate(rows):
        tokens = torch.tensor(row.ids, device=device)
        kept = torch.tensor(row.special, device=device).bool()
        ids[line, : len(tokens)] = tokens
        baseline[line, : len(tokens)] = tokens.where(kept, special_ids["mask"])
        attention[line, : len(tokens)] = 1
    targets = torch.tensor([row.target for row in rows], device=device)
    positions = position_ids(model, attention)

    def logits(embeddings: torch.Tensor, attention: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
        extra = {} if positions is None else {"position_ids": positions}
        found: torch.Tensor = model(inputs_embeds=embeddings, attention_mask=attention, **extra).logits
        return found

    with torch.no_grad():
        end, start = embedding(ids), embedding(baseline)  # (rows, tokens, hidden)
        ends = [
            logits(point, attention, positions).gather(1, targets[:, None])[:, 0].tolist() for point in (end, start)
        ]
    attributions = IntegratedGradients(logits, multiply_by_inputs=True).attribute(
        end,
        baselines=start,
        target=targets,
        additional_forward_args=(attention, positions),
        n_steps=steps,
        method="gausslegendre",
        internal_batch_size=max(len(rows), TOKEN_BUDGET // width),
    )
    scores = attributions.detach().double().sum(dim=2).tolist()
    share = (time.perf_counter() - started) * 1000 / len(rows)
    return [
        Attribution(score[: len(row.ids)], steps, logit, logit_baseline, share)
        for row, score, logit, logit_baseline in zip(rows, scores, *ends, strict=True)
    ]
