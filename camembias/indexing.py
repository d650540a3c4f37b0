"""The table `explanation_index`: what each part of explanations holds, without its words, so that a part is read once.

A refresh has to know which tweets were explained, by which model, when, and whether completely. Parts change seldom
(a batch that goes on, `forget`); one that did is known by its size and time.
It knows parts. It does not know SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from camembias.store import Store

TABLE = "explanation_index"
_MOST_PARTS = 32  # of the index; more are made one


def settle(store: Store, labels: Mapping[str, Sequence[str]], held: Callable[[Sequence[Path]], pl.DataFrame]) -> None:
    """Make the index what the explanations are. `labels`: of each model version.

    `held` gives rows of the index for some parts, without `state`. For one process at a time.
    """
    models = repr(sorted(labels.items()))
    # before the parts are read: one that changes meanwhile is read again next time
    states = {name: _state(store.part("explanations", name), models) for name in store.part_names("explanations")}
    known = {name: set(store.read(TABLE, name, ["state"])["state"]) for name in store.part_names(TABLE)}
    outdated = set().union(*known.values()) - set(states.values())
    kept = []
    if outdated or len(known) > _MOST_PARTS:
        kept = [store.read(TABLE, name).filter(~pl.col("state").is_in(outdated)) for name in known]
        for name in known:  # before they are written again: killed here, parts are read again; the rows never double
            store.part(TABLE, name).unlink()
    missing = [name for name, state in states.items() if not any(state in found for found in known.values())]
    if missing:
        fresh = held([store.part("explanations", name) for name in missing])
        kept.append(fresh.with_columns(state=pl.col("part").replace_strict(states, return_dtype=pl.String())))
    if any(frame.height for frame in kept):
        rows = pl.concat(kept, how="diagonal")
        covered = hashlib.sha256(repr(sorted(rows["state"].unique())).encode())
        store.write(TABLE, covered.hexdigest()[:16], rows)


def _state(part: Path, models: str) -> str:
    now = part.stat()
    return hashlib.sha256(f"{part.stem} {now.st_size} {now.st_mtime_ns} {models}".encode()).hexdigest()[:16]
