"""What a refresh renews in the store before it makes statistics: the index of explanations, and sums of word scores.

Each needs some of the views, so it runs once those are there, and asks whoever makes them. It knows SQL; what is
summed, how blocks are added up and when a part is read again, `sums`, `totals` and `indexing` know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import polars as pl

from camembias import indexing, sums, totals
from camembias.schemas import TABLES
from camembias.settings import cpu_count
from camembias.store import Store

Ask = Callable[..., pl.DataFrame]  # answers SQL, with values for its parameters by name

_MAKERS = 4  # blocks that are summed side by side: each takes some 200 MB
# Rows of the index for rows of explanations with `part`, the part that each is from.
INDEXED = """
WITH targets AS (
    SELECT model_version, unnest(labels) AS target, 1::BIGINT << (generate_subscripts(labels, 1) % 62) AS bit
    FROM model_labels
)
SELECT
    e.part, e.tweet_id, e.model_version, e.method, e.baseline,
    any_value(e.text_hash) AS text_hash, max(e.batch) AS batch, bit_or(t.bit) AS targets, count(*) AS explanations,
    bool_and(coalesce(e.converged, false)) AS converged, bit_xor(hash(e.target, e.batch, e.computed_at)) AS mark,
    max(e.computed_at) FILTER (e.converged) AS computed_at
FROM ({rows}) AS e JOIN targets AS t USING (model_version, target)
GROUP BY ALL
"""
# As every view over parts reads them: columns by name, and folders named like columns say nothing.
_PLAIN = "FROM read_parquet($parts, hive_partitioning = false, union_by_name = true, filename = true)"
_OF_PARTS = f"SELECT *, parse_filename(filename, true) AS part {_PLAIN}"


def _index(ask: Ask, store: Store) -> None:
    """Make the parts `explanation_index` what the explanations are, reading only those that are new."""
    empty = str(store.root / "explanations" / "_empty.parquet")  # a part may be from before a column existed

    def held(parts: Sequence[Path]) -> pl.DataFrame:
        return ask(INDEXED.format(rows=_OF_PARTS), parts=[empty, *map(str, parts)])

    indexing.settle(store, _model_labels(ask), held)


def _model_labels(ask: Ask) -> dict[str, list[str]]:
    return dict(ask("SELECT model_version, labels FROM model_labels").iter_rows())


def _sums(ask: Ask, store: Store) -> None:
    """Make the parts `sums` and `edited_scores` what the explanations say, reading only blocks that changed."""
    texts = ask("FROM sampled_texts")
    edited = ask("SELECT DISTINCT model_version, word FROM effects_parts")
    labels = _model_labels(ask)
    wanted = {block.name: block for block in sums.blocks(texts, edited)}
    for name in totals.block_names(store) - set(wanted):
        totals.remove_block(store, name)
    for name in set(store.part_names("edited_scores")) - set(wanted):
        store.part("edited_scores", name).unlink()
    missing = [block for name, block in wanted.items() if not totals.has_block(store, name)]

    def make(block: sums.Block, parts: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
        return sums.summed(sums.read(parts), block.texts, labels, edited)

    with ThreadPoolExecutor(min(cpu_count(), _MAKERS)) as pool:
        made = deque(pool.submit(make, *one) for one in zip(missing, _parts_of(store, missing), strict=True))
        try:
            for block in missing:
                rows, scores = made.popleft().result()
                # Written by this thread, which holds the store: another would wait for whoever waits to have it alone.
                store.write("edited_scores", block.name, scores)
                store.write("sums", block.name, rows)  # the last: where it is, both are
        finally:
            pool.shutdown(cancel_futures=True)
    totals.settle(store, list(wanted), lambda parts: _added_up(ask, parts))


def _added_up(ask: Ask, parts: Sequence[Path]) -> pl.DataFrame:
    """The rows of parts `sums`, as if all their texts were one block."""
    key = ["model_version", "method", "baseline", "word", "label"]
    sums_of = ", ".join(f"sum({name}) AS {name}" for name in TABLES["sums"] if name not in key)
    sql = f"SELECT {', '.join(key)}, {sums_of} FROM ({_PLAIN}) GROUP BY ALL ORDER BY ALL"
    return ask(sql, parts=list(map(str, parts)))


def _parts_of(store: Store, blocks: Sequence[sums.Block]) -> list[list[Path]]:
    """The parts of explanations that hold each block's texts."""
    if not blocks:
        return []
    key = ["tweet_id", "model_version", "method", "baseline"]
    wanted = pl.concat(one.texts.select(*key, block=pl.lit(at)) for at, one in enumerate(blocks))
    held = store.scan(indexing.TABLE).join(wanted.lazy(), on=key).select("block", "part").unique().collect()
    found: list[list[Path]] = [[] for _ in blocks]
    for at, name in held.sort("block", "part").iter_rows():
        found[at].append(store.part("explanations", name))
    return found


# By the file of views after which each runs: those that say which labels a model has, and which texts are summed.
AFTER: Final[dict[str, Callable[[Ask, Store], None]]] = {
    "20_word_scores": _index,
    "25_sampled_texts": _sums,
}
