"""The straight path of a tweet's embeddings from a baseline to the tweet itself, and passes of the model along it.

It knows token ids, embeddings and logits. It does not know how an integral is taken over the path, nor text.
A point of the path is named by one coefficient a token: 0 is the baseline's embedding, 1 the tweet's. The gradient of
a logit to a coefficient is the gradient to the embedding times (embedding - baseline), summed over the hidden
dimension: a token's integrand in Integrated Gradients (Sundararajan et al. 2017), and one number instead of 768.
Every point is read with the tweet's own attention mask and positions: RoBERTa-like models would else read a baseline
at other positions than the tweet, and the attributions would add up to something that no logit is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from camembias.checkpoint import position_ids
from camembias.scoring import token_batches

BASELINES = ("mask", "pad", "zero")  # what stands for a word that is not there; the first is the default
_ZERO = -1  # in place of a token id: a vector of zeros


@dataclass(frozen=True, slots=True)
class Row:
    """One tweet: token ids, which of them the tokenizer added, and the ids of the labels to explain."""

    ids: Sequence[int]
    special: Sequence[int]
    targets: Sequence[int]


@dataclass(frozen=True, slots=True)
class Passes:
    """How gradients are computed: with which copy of the model, in which precision, how many tokens at once."""

    network: torch.nn.Module
    precision: str = "fp32"
    token_budget: int = 512  # in one pass, padding and nodes included
    streams: int = 1  # passes at once, each on as many threads as torch is set to

    def each(self, work: Callable[[list[int]], None], lengths: Sequence[int]) -> None:
        """Call `work` on the row numbers of each pass that rows of these lengths make.

        Two passes of one thread each are faster than one of two: its many small operations wait for one another.
        """
        share = -(-sum(lengths) // self.streams)  # of a single tweet's nodes, too, every stream gets some
        with ThreadPoolExecutor(self.streams) as pool:
            for _ in pool.map(work, token_batches(lengths, min(self.token_budget, share))):
                pass  # raises here what a pass raised

    def logits(self, embeddings: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        """(points, labels), always fp32 or wider."""
        positions = position_ids(self.network, attention)
        extra = {} if positions is None else {"position_ids": positions}
        with torch.autocast(embeddings.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            found: torch.Tensor = self.network(inputs_embeds=embeddings, attention_mask=attention, **extra).logits
        return found.float() if found.dtype == torch.bfloat16 else found


class Path:
    """The paths of many tweets. `start` and `stop` hold token ids, as long as the tweet's."""

    def __init__(
        self, network: torch.nn.Module, special_ids: Mapping[str, int], rows: Sequence[Row], baseline: str
    ) -> None:
        absent = _ZERO if baseline == "zero" else special_ids[baseline]
        self.stop = [tuple(row.ids) for row in rows]
        self.start = [
            tuple(token if kept else absent for token, kept in zip(row.ids, row.special, strict=True)) for row in rows
        ]
        self._table: torch.nn.Embedding = network.get_input_embeddings()  # type: ignore[operator]
        self._device = self._table.weight.device

    def logits(self, passes: Passes, rows: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """Logits of any rows of token ids, (rows, labels). Equal rows are read once: with `<mask>` as baseline,
        tweets of one length share theirs."""
        wanted = list(dict.fromkeys(rows))
        found: dict[tuple[int, ...], list[float]] = {}

        def read(batch: list[int]) -> None:
            with torch.no_grad():
                ids, attention = self._padded([wanted[number] for number in batch])
                values = passes.logits(self._embedded(ids), attention).tolist()
            found.update(zip([wanted[number] for number in batch], values, strict=True))

        passes.each(read, [len(ids) for ids in wanted])
        return [found[ids] for ids in rows]

    def moves(self, number: int) -> bool:
        """Whether the tweet has any token to stand in for: else all its scores are 0."""
        return self.start[number] != self.stop[number]

    def values(self, passes: Passes, points: Sequence[tuple[int, float]]) -> npt.NDArray[np.float64]:
        """Logits of every label at points, each a tweet's number and one coefficient for all its tokens, by forward
        passes alone; (points, labels)."""
        labels: Any = passes.network.config.num_labels  # type: ignore[union-attr]
        found = np.empty((len(points), labels))

        def read(batch: list[int]) -> None:
            with torch.no_grad():
                numbers, at = zip(*(points[point] for point in batch), strict=True)
                start, attention = self._padded([self.start[number] for number in numbers])
                stop, _ = self._padded([self.stop[number] for number in numbers])
                share = torch.tensor(at, device=self._device, dtype=self._table.weight.dtype)[:, None, None]
                between = torch.lerp(self._embedded(start), self._embedded(stop), share)  # exact at both ends
                found[batch] = passes.logits(between, attention).double().cpu().numpy()

        passes.each(read, [len(self.stop[number]) for number, _ in points])
        return found

    def slopes(
        self, passes: Passes, numbers: Sequence[int], points: torch.Tensor, targets: Sequence[Sequence[int]]
    ) -> list[torch.Tensor]:
        """Slopes of logits along the path: for each target of a point, a (points, tokens) tensor in float64.

        `numbers` names each point's tweet, `points` its coefficients, (points, tokens), and `targets` its labels, as
        many for each. One forward pass serves all targets; each takes one backward pass, and none to the weights.
        """
        found = [torch.zeros(points.shape, dtype=torch.float64) for _ in targets[0]]

        def differentiate(batch: list[int]) -> None:
            start, attention = self._padded([self.start[numbers[point]] for point in batch])
            stop, _ = self._padded([self.stop[numbers[point]] for point in batch])
            width = attention.shape[1]
            here = points[batch, :width].to(self._device, self._table.weight.dtype).requires_grad_()
            origin = self._embedded(start)
            at = origin + here[:, :, None] * (self._embedded(stop) - origin)  # (points, tokens, hidden)
            logits = passes.logits(at, attention)
            wanted = torch.tensor([targets[point] for point in batch], device=self._device)  # (points, targets)
            for which, into in enumerate(found):
                total = logits.gather(1, wanted[:, which, None]).sum()
                [slope] = torch.autograd.grad(total, here, retain_graph=which < len(found) - 1)
                into[batch, :width] = slope.double().cpu()

        passes.each(differentiate, [len(self.stop[number]) for number in numbers])
        return found

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and attention mask, (rows, tokens). Any id may stand behind the mask: nothing attends to it."""
        width = max(map(len, rows))
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
        attention = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        return ids.to(self._device), attention.to(self._device)

    def _embedded(self, ids: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self._table(ids.clamp(min=0))
        return vectors * (ids != _ZERO)[:, :, None]
