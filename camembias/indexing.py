"""The table `explanation_index`: what each part of explanations holds, without its words, so that a part is read once.

A refresh has to know which tweets were explained, by which model, when, and whether by numbers. Parts change seldom
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
INDEX = 3  # what its rows say; another number, and all are made again
_MOST_PARTS = 32  # of the index; more are made one


def settle(
    store: Store, labels: Mapping[str, Sequence[str]], held: Callable[[Sequence[Path]], pl.DataFrame]
) -> dict[str, str]:
    """Make the index what the explanations are. Returns for each part what changes when the part does.

    `labels`: of each model version; with a new one all parts are read again. `held` gives rows of the index for some
    parts, without `state`. For one process at a time. Whatever it is killed at, the next call puts right.
    """
    states = _states(store, labels)  # before the parts are read: one that changes meanwhile is read again next time
    index = {name: set(store.read(TABLE, name, ["state"])["state"].unique()) for name in store.part_names(TABLE)}
    there = set().union(*index.values())
    again = there - set(states.values()) or len(index) > _MOST_PARTS or sum(map(len, index.values())) > len(there)
    frames = []
    if again:  # a row is there twice when this was killed before it removed what it had put together
        rows = pl.concat(store.read(TABLE, name) for name in index).unique()
        frames.append(rows.filter(pl.col("state").is_in(states.values())))
    if missing := [name for name, state in states.items() if state not in there]:
        fresh = held([store.part("explanations", name) for name in missing])
        empty = sorted(set(missing) - set(fresh["part"].unique()))
        nothing = pl.DataFrame({"part": empty}, {"part": pl.String})  # in which nothing counts: that is known, too
        fresh = pl.concat([fresh, nothing], how="diagonal")
        frames.append(fresh.with_columns(state=pl.col("part").replace_strict(states, return_dtype=pl.String())))
    if frames:
        rows = pl.concat(frames, how="diagonal")
        name = hashlib.sha256(repr(sorted(rows["state"].unique())).encode()).hexdigest()[:16]
        if rows.height:
            store.write(TABLE, name, rows)
        for old in index if again else ():
            if old != name or not rows.height:
                store.part(TABLE, old).unlink()
    return states


def unread(store: Store, labels: Mapping[str, Sequence[str]], states: Mapping[str, str]) -> list[Path]:
    """Parts that came or changed since `settle`, which returned the states."""
    now = _states(store, labels)
    return [store.part("explanations", name) for name, state in now.items() if states.get(name) != state]


def _states(store: Store, labels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    known = repr((INDEX, sorted(labels.items())))
    states = {name: f"{name} {stamp} {known}" for name, stamp in store.stamps("explanations").items()}
    return {name: hashlib.sha256(state.encode()).hexdigest()[:16] for name, state in states.items()}
