"""What a refresh renews in the store before it makes statistics: the index of explanations, and sums of word scores.

Each needs some of the views, so it runs once those are there, on the connection that makes them; none is opened here.
What is summed, how blocks are added up and when a part is read again, `sums`, `totals` and `indexing` know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from camembias import indexing, sums, totals
from camembias.schemas import TABLES
from camembias.settings import cpu_count
from camembias.store import Store

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
_PARTS = """
SELECT DISTINCT w.block, i.part
FROM explanation_index_parts AS i JOIN wanted AS w USING (tweet_id, model_version, method, baseline)
ORDER BY ALL
"""


def _index(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Make the parts `explanation_index` what the explanations are, reading only those that are new."""
    empty = str(store.root / "explanations" / "_empty.parquet")  # a part may be from before a column existed

    def held(parts: Sequence[Path]) -> pl.DataFrame:
        found: pl.DataFrame = connection.sql(
            INDEXED.format(rows=_OF_PARTS), params={"parts": [empty, *map(str, parts)]}
        ).pl()
        return found

    indexing.settle(store, _model_labels(connection), held)


def _model_labels(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    return dict(connection.sql("SELECT model_version, labels FROM model_labels").fetchall())


def _sums(connection: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Make the parts `sums` and `edited_scores` what the explanations say, reading only blocks that changed."""
    texts = connection.sql("FROM sampled_texts").pl()
    edited = connection.sql("SELECT DISTINCT model_version, word FROM effects_parts").pl()
    labels = _model_labels(connection)
    wanted = {block.name: block for block in sums.blocks(texts, edited)}
    for name in totals.block_names(store) - set(wanted):
        totals.remove_block(store, name)
    for name in set(store.part_names("edited_scores")) - set(wanted):
        store.part("edited_scores", name).unlink()
    missing = [block for name, block in wanted.items() if not totals.has_block(store, name)]

    def make(block: sums.Block, parts: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
        return sums.summed(sums.read(parts), block.texts, labels, edited)

    with ThreadPoolExecutor(min(cpu_count(), _MAKERS)) as pool:
        made = deque(
            pool.submit(make, *one) for one in zip(missing, _parts_of(connection, store, missing), strict=True)
        )
        try:
            for block in missing:
                rows, scores = made.popleft().result()
                # Written by this thread, which holds the store: another would wait for whoever waits to have it alone.
                store.write("edited_scores", block.name, scores)
                store.write("sums", block.name, rows)  # the last: where it is, both are
        finally:
            pool.shutdown(cancel_futures=True)
    totals.settle(store, list(wanted), lambda parts: _added_up(connection, parts))


def _added_up(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> pl.DataFrame:
    """The rows of parts `sums`, as if all their texts were one block."""
    key = ["model_version", "method", "baseline", "word", "label"]
    sums_of = ", ".join(f"sum({name}) AS {name}" for name in TABLES["sums"] if name not in key)
    sql = f"SELECT {', '.join(key)}, {sums_of} FROM ({_PLAIN}) GROUP BY ALL ORDER BY ALL"
    found: pl.DataFrame = connection.sql(sql, params={"parts": list(map(str, parts))}).pl()
    return found


def _parts_of(connection: duckdb.DuckDBPyConnection, store: Store, blocks: Sequence[sums.Block]) -> list[list[Path]]:
    """The parts of explanations that hold each block's texts."""
    if not blocks:
        return []
    key = ["tweet_id", "model_version", "method", "baseline"]
    wanted = pl.concat(one.texts.select(*key, block=pl.lit(at)) for at, one in enumerate(blocks))
    connection.register("wanted", wanted.to_arrow())
    found: list[list[Path]] = [[] for _ in blocks]
    for at, name in connection.execute(_PARTS).fetchall():
        found[at].append(store.part("explanations", name))
    connection.unregister("wanted")
    return found


# By the file of views after which each runs: those that say which labels a model has, and which texts are summed.
AFTER: Final[dict[str, Callable[[duckdb.DuckDBPyConnection, Store], None]]] = {
    "20_word_scores": _index,
    "25_sampled_texts": _sums,
}
