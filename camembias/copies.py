"""Files made from a store that lie outside it: snapshots and reports, as the store's runs tell of them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from camembias import proof
from camembias.errors import QueryError
from camembias.store import Store

KINDS = ("snapshot", "report")
HOLDS, FREE, AWAY, UNREADABLE = "holds it", "free of it", "not found there", "cannot be read"
AGAIN, OTHER = (
    "written again, free of it now",
    "holds it, and is not known as a report of this store: left as it is; report it again, or delete it",
)
_HEAD = 4096  # bytes; the mark of a report stands among the first


@dataclass(frozen=True, slots=True)
class Copy:
    kind: str
    path: Path
    host: str
    lang: str = "en"  # of a report
    no_text: bool = True  # of a report; also when nobody knows, since written again it must show no more than before


def made(store: Store) -> list[Copy]:
    """Each file once, in the order of its name. What `query --out` and the like wrote is not on record."""
    with store.shared():
        runs = store.scan("runs").filter(pl.col("kind").is_in(KINDS)).sort("started_at").collect()
    found = {}
    for row in runs.iter_rows(named=True):
        how = json.loads(row["arguments"])
        lang, no_text = how.get("lang", "en"), how.get("no_text", True) or row["status"] != "done"
        found[how["file"]] = Copy(row["kind"], Path(how["file"]), row["host"], lang, no_text)
    return [found[file] for file in sorted(found)]


def mark(store: Store) -> str:
    """What a report of this store says of where it comes from: nothing that tells anyone else."""
    return store.hashed(f"report of {store.root.resolve()}")


def is_report(copy: Copy, store: Store) -> bool:
    """Whether the file is still a report of this store, and not something else that has its name by now."""
    with copy.path.open("rb") as handle:
        return mark(store).encode() in handle.read(_HEAD)


def state(copy: Copy, ids: Collection[str], texts: Collection[str]) -> str:
    """Whether the file still holds any of the tweets."""
    try:
        if not copy.path.is_file():
            return AWAY
        return HOLDS if proof.search(copy.path, ids, texts).places else FREE
    except (OSError, QueryError, pl.exceptions.PolarsError):
        return UNREADABLE
