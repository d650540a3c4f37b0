"""Refresh and queries on many word scores, and the same sums by polars from the same parts, side by side.

    python tests/benchmarks/sql.py --scores 10000000

Each way runs in a process of its own, so that peak memory is its own. The rivals read the same Parquet, centre scores
over labels and sum them by word and label; they do neither weights nor errors nor tests, and keep nothing. pandas comes
with `make bench`; it has no lists, so it is given the words of all tweets as columns, read by our own reader.
"""

import argparse
import importlib.util
import multiprocessing
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from _sql_store import LABELS, WORDS, create, grow

from camembias import catalog, sqlfiles, sums
from camembias import store as stores
from camembias.schemas_derived import DERIVED


def refresh(root: Path) -> None:
    catalog.refresh(stores.open_existing(root))


def rebuild(root: Path) -> None:
    """From the explanations alone: nothing that an earlier refresh kept is there."""
    for kept in DERIVED:
        shutil.rmtree(root / kept)
    refresh(root)


def verdicts(root: Path) -> None:
    catalog.run_query(stores.open_existing(root), sqlfiles.query("verdicts"))


def by_polars(root: Path) -> None:
    flat = pl.scan_parquet(root / "explanations" / "*.parquet", missing_columns="insert").select(
        "tweet_id", "target", position=pl.int_ranges(pl.col("words").list.len()), words="words"
    )
    scores = flat.explode("position", "words").unnest("words")
    centred = scores.with_columns(score=pl.col("score") - pl.col("score").mean().over("tweet_id", "position"))
    centred.group_by("word", "target").agg(pl.len(), pl.col("score").sum()).collect()


def by_pandas(root: Path) -> None:
    import pandas as pd

    found = sums.read(sorted((root / "explanations").glob("*.parquet")))
    words = found.stop - found.start
    flat = pd.DataFrame(
        {
            "tweet": np.repeat(pd.factorize(found.rows["tweet_id"].to_numpy())[0].astype(np.int32), words),
            "target": pd.Categorical(found.rows["target"].to_list()).repeat(words),
            "position": (np.arange(words.sum()) - np.repeat(found.start, words)).astype(np.int32),
            "word": pd.Categorical.from_codes(found.word, found.vocabulary.to_list()),
            "score": found.score,
        }
    )
    flat["score"] -= flat.groupby(["tweet", "position"])["score"].transform("mean")
    flat.groupby(["word", "target"], observed=True)["score"].agg(["size", "sum"])


def by_sql(root: Path) -> None:
    """The view that says what is summed, as an analyst would ask it."""
    asked = "SELECT word, label, count(*), sum(score) FROM centred_word_scores GROUP BY ALL"
    catalog.run_sql(stores.open_existing(root), asked)


def _alone(work: Callable[[Path], None], root: Path, said: "multiprocessing.connection.Connection") -> None:
    began = time.monotonic()
    work(root)
    seconds = time.monotonic() - began
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent, too
    said.send((seconds, next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024))


def measured(work: Callable[[Path], None], root: Path) -> tuple[float, float]:
    """Seconds and peak RSS in MiB of `work` in a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_alone, args=(work, root, there))
    process.start()
    there.close()
    try:
        found = here.recv()
    except EOFError:
        raise SystemExit(f"{work.__name__} died") from None
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the store is made; a temporary folder when not given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = (given.folder or Path(temporary)) / "store"
        store = create(root)
        parts = grow(store, given.scores)
        catalog.refresh(store)
        times: dict[str, list[tuple[float, float]]] = {}
        for _ in range(given.rounds):
            parts = grow(store, max(WORDS * len(LABELS), given.scores // 100), parts)
            ways = {"refresh after 1 % new": refresh, "full rebuild": rebuild, "verdict query": verdicts}
            rivals = {"free SQL on raw parts": by_sql, "polars on raw parts": by_polars}
            if importlib.util.find_spec("pandas"):
                rivals["pandas on raw parts"] = by_pandas
            for name, way in {**ways, **rivals}.items():
                times.setdefault(name, []).append(measured(way, root))
        scores = store.scan("explanations").select(pl.col("words").list.len().sum()).collect().item()
    rebuilt = statistics.median(seconds for seconds, _ in times["full rebuild"])
    print(f"{scores:,} word scores, {parts} parts, {given.rounds} rounds in turn, medians\n")
    print(f"{'what':24} {'seconds':>8} {'of rebuild':>10} {'peak MiB':>9}")
    for name, found in times.items():
        seconds, peak = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"{name:24} {seconds:8.2f} {seconds / rebuilt:10.2f} {peak:9.0f}")


if __name__ == "__main__":
    main()
