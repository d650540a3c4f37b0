"""Texts to logits by ONNX Runtime: the path that serves, shared by the export gate and the bulk job.

Knows nothing of files, stores or labels. Tweets are sorted by length and packed into batches of a fixed number
of tokens, so that little padding is computed; results come back in the order of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from camembias.bundle import Layout
from camembias.checkpoint import load_tokenizer, special_ids
from camembias.errors import MissingExtra

Logits = npt.NDArray[np.float32]  # (tweets, labels)
Tokens = list[list[int]]  # one list of token ids a tweet, truncated, not padded
SUMS_OUTPUT = "int8_sums_are_exact"  # of an int8 graph, beside the logits
TOKEN_BUDGET = 512  # tokens a batch, padding included; measured best for int8 on two cores


def open_session(path: Path) -> Any:
    """An inference session that computes on the thread that calls it, and may be called from many at once."""
    try:
        import onnxruntime
    except ImportError as err:
        raise MissingExtra("onnxruntime", "batch") from err
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # shapes vary: patterns only grow the arena
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def token_batches(lengths: Sequence[int], budget: int = TOKEN_BUDGET) -> Iterator[list[int]]:
    """Row numbers in batches of similar length, longest first, each at most `budget` tokens when padded.

    A row longer than the budget is a batch of its own.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


@dataclass(slots=True)
class Scorer:
    """An ONNX graph with its tokenizer, run by `threads` threads at once on one copy of the weights."""

    tokenizer: Any
    session: Any
    pad_id: int
    threads: int
    token_budget: int = TOKEN_BUDGET

    @classmethod
    def open(
        cls, layout: Layout, graph: Path, max_length: int, threads: int, token_budget: int = TOKEN_BUDGET
    ) -> Scorer:
        tokenizer = load_tokenizer(layout, max_length)
        return cls(tokenizer, open_session(graph), special_ids(layout)["pad"], threads, token_budget)

    def encode(self, texts: Sequence[str]) -> Tokens:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def logits(self, texts: Sequence[str], advance: Callable[[int], None] = lambda _: None) -> Logits:
        """Logits, (tweets, labels), in the order of `texts`; `advance` hears of each batch's number of tweets."""
        return self.run(self.encode(texts), advance)

    def run(self, tokens: Tokens, advance: Callable[[int], None] = lambda _: None, alone: bool = False) -> Logits:
        """Logits of tweets that are tokenised already, (tweets, labels), in their order.

        Each thread takes the next batch when it is free, longest first, so that all end together. `alone` scores
        every tweet in a batch of its own: slow, but its logits then depend on nothing but its text.
        """
        lengths = [len(ids) for ids in tokens]
        batches = list(token_batches(lengths, 0 if alone else self.token_budget))
        with ThreadPoolExecutor(self.threads) as pool:
            done = pool.map(lambda batch: self._run_batch([tokens[row] for row in batch], advance), batches)
            values = list(done)
        found: Logits = np.empty((len(tokens), values[0].shape[1] if values else 0), dtype=np.float32)
        for batch, logits in zip(batches, values, strict=True):
            found[batch] = logits
        return found

    def sums_are_exact(self) -> bool:
        """Whether this CPU adds up products of int8 as the graph needs it. Graphs without the check run everywhere."""
        if SUMS_OUTPUT not in [item.name for item in self.session.get_outputs()]:
            return True
        return bool(np.all(self.session.run([SUMS_OUTPUT], self.feed([[self.pad_id]]))[0]))

    def feed(self, rows: Tokens) -> dict[str, npt.NDArray[np.int64]]:
        """The graph's inputs for `rows`, the longest of which is the first, padded to its length."""
        ids = np.full((len(rows), len(rows[0])), self.pad_id, dtype=np.int64)  # (tweets, tokens), longest first
        mask = np.zeros_like(ids)
        for line, row in enumerate(rows):
            ids[line, : len(row)] = row
            mask[line, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {item.name: feed[item.name] for item in self.session.get_inputs()}

    def _run_batch(self, rows: Tokens, advance: Callable[[int], None]) -> Logits:
        logits: Logits = self.session.run(None, self.feed(rows))[0]
        advance(len(rows))
        return logits


def margins(logits: Logits) -> npt.NDArray[np.float32]:
    """Distance in logits between the best and the second label, (tweets,)."""
    best = np.sort(logits, axis=1)
    return np.asarray(best[:, -1] - best[:, -2], dtype=np.float32)


def probabilities(logits: Logits, temperature: float) -> npt.NDArray[np.float32]:
    """Softmax of logits / temperature, (tweets, labels)."""
    shifted = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)
