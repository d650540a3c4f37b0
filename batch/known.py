"""What need not be scored: tweets that the store has classified already, and texts that were scored lately."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import numpy.typing as npt
import polars as pl

from camembias import compaction
from camembias.scoring import Logits
from camembias.store import Store

CACHE_TEXTS = 100_000  # about 25 MB
_PARTS_AT_ONCE = 64  # keeps memory flat while an index is built

Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class KnownTweets:
    """Tweets (id and text) in finished units of one serving version: 8 bytes each, as of the last refresh.

    Rows of unfinished units do not count, not even this job's own: a job that is killed, or another one beside it,
    writes those units again, and must not take them for done (decision 0015 has the argument).
    """

    store: Store
    serving_version: str
    finished: set[str] = field(default_factory=set)
    _merged: set[str] = field(default_factory=set)
    _tweets: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))  # sorted hashes

    def refresh(self) -> list[str]:
        """Look at the ledger again. Returns the parts of tweets that are new by it, oldest first."""
        with self.store.shared():
            return self._refresh()

    def _refresh(self) -> list[str]:
        ledger = self.store.ledger(self.serving_version)
        units = [unit for unit in ledger["unit"].unique(maintain_order=True) if unit not in self.finished]
        prefix = compaction.merged_of(self.serving_version)  # such parts hold finished units only
        merged = [name for name in self.store.part_names("tweets") if name.startswith(prefix)]
        new = [name for name in merged if name not in self._merged]
        there = [*new, *(unit for unit in units if self.store.has_part("tweets", unit))]
        for start in range(0, len(there), _PARTS_AT_ONCE):
            parts = [self.store.part("tweets", unit) for unit in there[start : start + _PARTS_AT_ONCE]]
            hashes = pl.scan_parquet(parts).select(_name()).collect().to_series()
            self._tweets = np.union1d(self._tweets, hashes.to_numpy())
        self.finished.update(units)
        self._merged.update(new)
        return there

    def holds(self, tweet_ids: list[str], text_hashes: list[str]) -> Flags:
        """Whether each tweet is in the store with this very text, (tweets,). Wrong once in 2^64 / tweets stored."""
        frame = pl.DataFrame({"tweet_id": tweet_ids, "text_hash": text_hashes}, schema_overrides=_STRINGS)
        wanted = frame.select(_name()).to_series().to_numpy()
        places = np.searchsorted(self._tweets, wanted)
        found: Flags = np.zeros(len(wanted), dtype=np.bool_)
        inside = places < len(self._tweets)
        found[inside] = self._tweets[places[inside]] == wanted[inside]
        return found


_STRINGS = {"tweet_id": pl.String(), "text_hash": pl.String()}


def _name() -> pl.Expr:
    return pl.concat_str("tweet_id", "text_hash", separator="\0").hash(seed=0)


Entry = tuple[bytes, bool]  # logits of the labels as float32, and whether they are fp32


@dataclass(slots=True)
class ScoreCache:
    """Logits of the texts scored last, by text hash: a retweet is not scored again while its text is in here.

    Two generations of half the limit each: what is used goes to the young one; when that is full it becomes the old
    one, and the old one goes. The last limit / 2 texts are always in here. Plain dicts that only grow and are dropped
    whole cost less memory than one in which the oldest entry makes room for each new one.
    """

    limit: int = CACHE_TEXTS
    _young: dict[str, Entry] = field(default_factory=dict)
    _old: dict[str, Entry] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)  # the next window looks things up while this one is scored

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def found(self, text_hashes: Iterable[str]) -> dict[str, Entry]:
        """The entries of those texts that are here, each marked as used now."""
        with self._lock:
            there = ((name, self._young.get(name) or self._old.get(name)) for name in text_hashes)
            found = {name: entry for name, entry in there if entry is not None}
            self._use(found)
        return found

    def put(self, entries: dict[str, Entry]) -> None:
        with self._lock:
            self._use(entries)

    def _use(self, entries: dict[str, Entry]) -> None:
        for name, entry in entries.items():
            if name not in self._young and len(self._young) >= self.limit // 2:
                self._old, self._young = self._young, {}
            self._young[name] = entry

    def warm(self, store: Store, parts: list[str]) -> None:
        """Fill from parts, given oldest first: the latest ones, as many as there is room for."""
        rows, chosen = 0, []
        with store.shared():
            for part in reversed(parts):
                if rows >= self.limit:
                    break
                if store.has_part("predictions", part) and store.has_part("tweets", part):
                    texts = store.read("tweets", part, ["tweet_id", "text_hash"])
                    texts = texts.filter(pl.col("tweet_id").is_unique())  # of two texts, whose are the scores?
                    scores = store.read("predictions", part, ["tweet_id", "scores", "rescored"])
                    chosen.append(texts.join(scores, on="tweet_id"))
                    rows += len(chosen[-1])
        for frame in reversed(chosen):
            if len(frame):
                logits = frame["scores"].explode().struct.field("logit").to_numpy().reshape(len(frame), -1)
                self.put(entries(frame["text_hash"].to_list(), logits, frame["rescored"].to_numpy()))


def entries(text_hashes: list[str], logits: Logits, fp32: Flags) -> dict[str, Entry]:
    rows = zip(text_hashes, logits.astype(np.float32), fp32.tolist(), strict=True)
    return {name: (row.tobytes(), exact) for name, row, exact in rows}
