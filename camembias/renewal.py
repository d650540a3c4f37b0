"""What a refresh renews in the store before it makes statistics: index of explanations, sampled texts, sums of scores.

It needs some of the views, so it runs once those are there, and asks whoever makes them. It knows SQL; when a part is
read again, which texts are summed together, what is summed and how blocks are added up, `indexing`, `blocks`, `sums`
and `totals` know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from camembias import blocks, indexing, sums, totals
from camembias.schemas import TABLES
from camembias.settings import cpu_count
from camembias.store import Store
from camembias.text import KINDS, kind

Ask = Callable[..., pl.DataFrame]  # answers SQL, with values for its parameters, and frames for its tables, by name
AFTER = "24_sampled_tweets"  # the last file of views that it asks

_MAKERS = 4  # blocks that are summed side by side: each takes some 200 MB
# Rows of the index for rows of explanations with `part`, the part that each is from.
INDEXED = """
WITH targets AS (
    SELECT model_version, unnest(labels) AS target, 1::BIGINT << (generate_subscripts(labels, 1) % 62) AS bit
    FROM model_labels
)
SELECT
    e.part, e.tweet_id, e.model_version, e.method, e.baseline, e.text_hash,
    max(e.batch) AS batch, bit_or(t.bit) AS targets, count(*) AS explanations,
    bool_and(coalesce(isfinite(e.delta), false)) AS finite, bit_xor(hash(e.target, e.batch, e.computed_at)) AS mark,
    max(e.computed_at) FILTER (isfinite(e.delta)) AS computed_at
FROM ({rows}) AS e JOIN targets AS t USING (model_version, target)
GROUP BY ALL
"""
# As every view over parts reads them: columns by name, and folders named like columns say nothing.
_PLAIN = "FROM read_parquet($parts, hive_partitioning = false, union_by_name = true, filename = true)"
_OF_PARTS = f"SELECT *, parse_filename(filename, true) AS part {_PLAIN}"
# Texts that may have changed: those of tweets that are new in the index, newly drawn, or of a design that counts now.
_CHANGED = """
WITH fresh AS (
    SELECT tweet_id FROM explanation_index WHERE part IN (SELECT unnest($explanations))
    UNION SELECT tweet_id FROM drawn
    UNION SELECT tweet_id FROM draws_parts WHERE design_id IN (SELECT unnest($designs))
)
SELECT DISTINCT text_key(text_hash, tweet_id) AS text FROM explanation_index SEMI JOIN fresh USING (tweet_id)
"""
# All that is known of every tweet that ever had one of them.
_OF_CHANGED = """
FROM explanation_index WHERE tweet_id IN (
    SELECT tweet_id FROM explanation_index WHERE text_key(text_hash, tweet_id) IN (SELECT text FROM changed)
)
"""


def renew(ask: Ask, store: Store, copied: bool) -> None:
    """Make the parts that hold an index, sampled texts and sums what the explanations and draws are by now.

    `copied`: `ask` answers from a copy of what the parts held a moment ago, which counts then.
    """
    labels = dict(ask("SELECT model_version, labels FROM model_labels").iter_rows())
    explanations = _index(ask, store, labels)
    drawn = store.stamps("draws")  # before they are read: what changes meanwhile is read again next time
    counted = ask("FROM counted_designs")
    designs = dict.fromkeys(counted["design_id"], "counts")
    sources = {} if copied else {"explanations": explanations, "draws": drawn, "designs": designs}
    _texts(ask, store, sources, counted)
    # Texts that were explained twice are looked up in the parts as they are: sums must know what came since the index.
    late = indexing.unread(store, labels, explanations)
    _sums(ask, store, labels, late)


def _index(ask: Ask, store: Store, labels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Read the parts of explanations that are new; returns the state of all."""

    empty = str(store.root / "explanations" / "_empty.parquet")  # a part may be from before a column existed

    def held(parts: Sequence[Path]) -> pl.DataFrame:
        return ask(INDEXED.format(rows=_OF_PARTS), parts=[empty, *map(str, parts)])

    return indexing.settle(store, labels, held)


def _texts(ask: Ask, store: Store, sources: blocks.Sources, counted: pl.DataFrame) -> None:
    """Look at texts of what is new; at all where something changed or is gone, or nothing is known."""
    new = blocks.added(blocks.known(store), sources)
    if new is None:
        rows = ask("FROM sampled_texts_of('explanation_index', 'explanations_parts', 'counted')", counted=counted)
        blocks.settle(store, rows, None, sources)
    elif any(new.values()):
        parts = [store.read("draws", name, ["tweet_id"]) for name in new["draws"]]
        drawn = pl.concat([pl.DataFrame(schema={"tweet_id": pl.String()}), *parts])
        changed = ask(_CHANGED, explanations=new["explanations"], designs=new["designs"], drawn=drawn)
        their = ask(_OF_CHANGED, changed=changed)
        rows = ask("FROM sampled_texts_of('their', 'explanations_parts', 'counted')", their=their, counted=counted)
        blocks.settle(store, rows, changed["text"], sources)


def _sums(ask: Ask, store: Store, labels: Mapping[str, Sequence[str]], late: Sequence[Path]) -> None:
    """Make the parts `sums` and `edited_scores` what the explanations say, reading only blocks that changed.

    `late`: parts of explanations that may hold any of their texts.
    """
    edited = ask("SELECT DISTINCT model_version, word FROM effects_parts")
    concepts = ask("SELECT DISTINCT word FROM concepts ORDER BY word")["word"]
    outside = {word for word in concepts if kind(word) in KINDS}
    version = sums.version(edited, outside)
    wanted = {f"{name}-{version}": name for name in blocks.names(store)}
    for name in totals.block_names(store) - set(wanted):
        totals.remove_block(store, name)
    for name in set(store.part_names("edited_scores")) - set(wanted):
        store.part("edited_scores", name).unlink()
    missing = {name: store.read(blocks.TABLE, of) for name, of in wanted.items() if not totals.has_block(store, name)}

    def make(texts: pl.DataFrame, parts: Sequence[Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
        return sums.summed(sums.read([*parts, *late]), texts, labels, edited, outside)

    with ThreadPoolExecutor(min(cpu_count(), _MAKERS)) as pool:
        parts = _parts_of(store, list(missing.values()))
        made = deque(pool.submit(make, *one) for one in zip(missing.values(), parts, strict=True))
        try:
            for name in missing:
                rows, scores = made.popleft().result()
                # Written by this thread, which holds the store: another would wait for whoever waits to have it alone.
                store.write("edited_scores", name, scores)
                store.write("sums", name, rows)  # the last: where it is, both are
        finally:
            pool.shutdown(cancel_futures=True)
    totals.settle(store, list(wanted), lambda parts: _added_up(ask, parts))


def _parts_of(store: Store, texts: Sequence[pl.DataFrame]) -> list[list[Path]]:
    """The parts of explanations that hold each block's texts."""
    if not texts:
        return []
    key = ["tweet_id", "model_version", "method", "baseline"]
    wanted = pl.concat(one.select(*key, at=pl.lit(at)) for at, one in enumerate(texts))
    held = store.scan(indexing.TABLE).join(wanted.lazy(), on=key).select("at", "part").unique().collect()
    found: list[list[Path]] = [[] for _ in texts]
    for at, name in held.sort("at", "part").iter_rows():
        found[at].append(store.part("explanations", name))
    return found


def _added_up(ask: Ask, parts: Sequence[Path]) -> pl.DataFrame:
    """The rows of parts `sums`, as if all their texts were one block."""
    key = ["model_version", "method", "baseline", "word", "label"]
    sums_of = ", ".join(f"sum({name}) AS {name}" for name in TABLES["sums"] if name not in key)
    sql = f"SELECT {', '.join(key)}, {sums_of} FROM ({_PLAIN}) GROUP BY ALL ORDER BY ALL"
    return ask(sql, parts=list(map(str, parts)))
