"""Texts to logits with ONNX Runtime: the path that serves, shared by the export gate and the bulk job.

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
TOKEN_BUDGET = 512  # tokens a batch, padding included; measured best for int8 on two cores


def open_session(path: Path) -> Any:
    """One inference session of one thread: as many of them as CPUs beat one session of many threads."""
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
    """Row numbers in batches of similar length, longest first, each at most `budget` tokens when padded."""
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
    """An ONNX graph with its tokenizer, run on `len(sessions)` threads."""

    tokenizer: Any
    sessions: list[Any]
    pad_id: int

    @classmethod
    def open(cls, layout: Layout, graph: Path, max_length: int, threads: int) -> Scorer:
        sessions = [open_session(graph) for _ in range(threads)]
        return cls(load_tokenizer(layout, max_length), sessions, special_ids(layout)["pad"])

    def logits(self, texts: Sequence[str], advance: Callable[[int], None] = lambda _: None) -> Logits:
        """Logits, (tweets, labels), in the order of `texts`; `advance` hears of each batch's number of tweets."""
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts))]
        batches = list(token_batches([len(ids) for ids in rows]))
        with ThreadPoolExecutor(len(self.sessions)) as pool:
            shares = [
                pool.submit(self._run, session, rows, batches[start :: len(self.sessions)], advance)
                for start, session in enumerate(self.sessions)
            ]
            done = [item for share in shares for item in share.result()]
        found: Logits = np.empty((len(rows), done[0][1].shape[1] if done else 0), dtype=np.float32)
        for batch, values in done:
            found[batch] = values
        return found

    def _run(
        self, session: Any, rows: list[list[int]], batches: list[list[int]], advance: Callable[[int], None]
    ) -> list[tuple[list[int], Logits]]:
        done = []
        names = {item.name for item in session.get_inputs()}
        for batch in batches:
            ids = np.full((len(batch), len(rows[batch[0]])), self.pad_id, dtype=np.int64)  # (tweets, tokens)
            mask = np.zeros_like(ids)
            for line, row in enumerate(batch):
                ids[line, : len(rows[row])] = rows[row]
                mask[line, : len(rows[row])] = 1
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            done.append((batch, session.run(None, {name: feed[name] for name in names})[0]))
            advance(len(batch))
        return done


def margins(logits: Logits) -> npt.NDArray[np.float32]:
    """Distance in logits between the best and the second label, (tweets,)."""
    best = np.sort(logits, axis=1)
    return np.asarray(best[:, -1] - best[:, -2], dtype=np.float32)
