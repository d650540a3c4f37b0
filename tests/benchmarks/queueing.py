"""The queue under load and under fire, with a tiny model: how long an urgent request waits while sampled ones queue,
what is lost or doubled when worker and broker are killed and emptied, and whether the worker's memory grows.
With --model, a trained bundle in place of the tiny one: then an urgent request shows whether slow batches hold it up.

    python tests/benchmarks/queueing.py                              # the whole of it
    python tests/benchmarks/queueing.py --sampled 200 --requests 300 --kills 2 --broker-kills 1 --explanations 2000
    python tests/benchmarks/queueing.py --only latency --model models/mine --urgent 5
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from camembias import attempts, messages, progress  # noqa: E402
from camembias import bundle as bundles  # noqa: E402
from camembias import store as stores  # noqa: E402
from camembias.bundle import Bundle  # noqa: E402
from camembias.schemas import TABLES  # noqa: E402
from camembias.store import Store  # noqa: E402
from camembias.synthetic import tweets  # noqa: E402
from explain_worker import broker as queue  # noqa: E402
from tests.conftest import build_tiny  # noqa: E402
from tests.integration.conftest import Broker, Workers  # noqa: E402

URGENT = 20
VISIBILITY_S = 20


class Stage:
    """A store, a broker and workers of their own, in a new folder."""

    def __init__(self, folder: Path, bundle: Bundle, visibility_s: int = VISIBILITY_S) -> None:
        self.bundle = bundle
        self.store = stores.create(folder / "store")
        self.broker = Broker(folder / "valkey")
        self.workers = Workers(self.store, bundle, self.broker.url, folder / "worker.log")
        self.workers.environment["CAMEMBIAS_VISIBILITY_TIMEOUT"] = str(visibility_s)

    def ask(self, texts: list[str], size: int, targets: int, name: str, to: str) -> list[str]:
        sent = []
        for start in range(0, len(texts), size):
            batch = f"{name}-{start:06d}"
            put(self.store, self.bundle, batch, texts[start : start + size], targets)
            sent.append(messages.ExplainRequest(batch, self.bundle.model_version))
        queue.send(self.broker.url, sent, to)
        return [one.batch for one in sent]

    def close(self) -> None:
        self.workers.kill()
        self.broker.kill()


def put(store: Store, bundle: Bundle, batch: str, texts: list[str], targets: int) -> None:
    same = {"batch": batch, "model_version": bundle.model_version, "targets": list(bundle.labels.names[:targets])}
    same |= {"method": "integrated_gradients", "baseline": "mask", "requested_by": "sample"}
    same |= {"label": bundle.labels.names[0], "design_id": None}
    rows = [
        {**same, "tweet_id": f"{batch}-{number}", "text": text, "requested_at": stores.now()}
        for number, text in enumerate(texts)
    ]
    for table in ("request_texts", "requests"):
        store.write(
            table, batch, pl.DataFrame(rows, schema_overrides={"design_id": pl.String()}).select(TABLES[table].names())
        )


def latency(stage: Stage, texts: list[str], size: int, urgent: int) -> list[tuple[str, str]]:
    """Seconds from queueing an urgent tweet, all labels, to its stored explanation, while the sampled ones wait.

    They are asked in the middle of batches, at random moments. What an urgent request takes by itself is measured
    before anything else lies in the queue.
    """
    stage.workers.start()
    rng = random.Random(3)
    alone = [_seconds(stage, texts[number], f"alone{number}") for number in range(urgent + 1)][
        1:
    ]  # the first one's worker loads
    sampled = stage.ask(texts, size, 4, "sample", messages.QUEUE_SAMPLE)
    stage.workers.until(lambda: any(one in sampled for one in attempts.begun(stage.store)), 300)
    seconds = []
    for number in range(urgent):
        time.sleep(rng.uniform(1, 5))
        seconds.append(_seconds(stage, texts[number + 1], f"urgent{number}"))
    left = len(queue.queued(stage.broker.url, stage.bundle.model_version)) * size
    mean_ms = stage.store.scan("explanations").select(pl.col("duration_ms").mean()).collect().item()
    targets = min(4, len(stage.bundle.labels.names))
    return [
        (f"urgent tweet, {left:,} of {len(texts):,} sampled tweets still waiting, {size} a batch: median",
         f"{statistics.median(seconds):.2f} s"),
        (f"the same, slowest of {urgent}", f"{max(seconds):.2f} s"),
        ("the same tweets in an empty queue: median", f"{statistics.median(alone):.2f} s"),
        ("waited on top of that: median, slowest",
         f"{_paired(seconds, alone, statistics.median):.2f} s, {_paired(seconds, alone, max):.2f} s"),
        ("work in a sampled batch", f"{mean_ms * size * targets / 1000:.2f} s"),
    ]  # fmt: skip


def _seconds(stage: Stage, text: str, name: str) -> float:
    began = time.monotonic()
    [batch] = stage.ask([text], 1, 4, name, messages.QUEUE_NOW)
    stage.workers.until(lambda: stage.store.has_part("explanations", batch), 300)
    return time.monotonic() - began


def _paired(seconds: list[float], alone: list[float], of: Callable[[list[float]], float]) -> float:
    return of([one - other for one, other in zip(seconds, alone, strict=True)])


def under_fire(stage: Stage, texts: list[str], size: int, kills: int, broker_kills: int) -> list[tuple[str, str]]:
    """Kill the worker and the broker, and empty the broker once, while all of the requests are worked off."""
    batches = stage.ask(texts, size, 1, "fire", messages.QUEUE_SAMPLE)
    blows = [stage.workers.kill] * kills + [stage.broker.kill] * broker_kills + [stage.broker.empty]
    random.Random(5).shuffle(blows)
    done = 0
    stage.workers.start()
    for number, blow in enumerate(blows):
        goal = min(len(batches) * (number + 1) // (len(blows) + 2), done + 3)
        stage.workers.until(lambda goal=goal: len(stage.store.part_names("explanations")) >= goal, 300)
        time.sleep(random.uniform(0, 0.5))
        blow()
        if blow == stage.broker.kill:
            time.sleep(0.5)
            stage.broker.start()
        if blow == stage.workers.kill:
            stage.workers.start()
        resume(stage)
        done = len(stage.store.part_names("explanations"))

    def finished() -> bool:
        if not progress.unfinished(stage.store, stage.bundle.model_version):
            return True
        time.sleep(2)
        resume(stage)
        return False

    stage.workers.until(finished, 1200)
    rows = stage.store.scan("explanations").collect()
    failed = stage.store.scan("failures").collect().height
    distinct = rows.unique(["tweet_id", "target"]).height
    what = f"{len(texts):,} requests; kill -9 of the worker ×{kills}, of the broker ×{broker_kills}, emptied ×1"
    return [
        (f"{what}: lost", str(len(texts) - distinct - failed)),
        ("doubled", str(rows.height - distinct)),
        ("failed", str(failed)),
    ]


def resume(stage: Stage) -> None:
    """What `camembias explain --resume` does."""
    from camembias.cli import waiting

    left = progress.unfinished(stage.store, stage.bundle.model_version)
    waiting.send_lost(stage.store, stage.bundle, stage.broker.url, left)


def memory(stage: Stage, texts: list[str], size: int, explanations: int) -> list[tuple[str, str]]:
    """Growth of the worker over twice as many explanations, each half by a straight line through its RSS.

    Allocators and caches of compiled kernels fill in the first half; a leak would go on in the second.
    """
    wanted = 2 * explanations // 4
    repeated = [texts[number % len(texts)] for number in range(wanted)]
    batches = stage.ask(repeated, size, 4, "memory", messages.QUEUE_SAMPLE)
    stage.workers.start()
    seen: list[tuple[int, int]] = []

    def sample() -> bool:
        time.sleep(0.5)
        done = len(stage.store.part_names("explanations"))
        if done and stage.workers.process is not None:
            seen.append((done, resident_kib(stage.workers.process.pid)))
        return done >= len(batches)

    stage.workers.until(sample, 3600)
    done, kib = np.array(seen, dtype=float).T
    rows = []
    for half, part in (("first", done <= len(batches) / 2), ("second", done > len(batches) / 2)):
        slope, start = np.polyfit((done[part] - done[part][0]) / np.ptp(done[part]), kib[part], 1)
        rows += [
            (f"worker's RSS, {half} {explanations:,} explanations: at their start", f"{start / 1024:.0f} MiB"),
            ("growth to their end", f"{100 * slope / start:+.2f} %"),
        ]
    return rows


def resident_kib(parent: int) -> int:
    """Of the process and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    total = 0
    for pid in (parent, *children):
        status = Path(f"/proc/{pid}/status").read_text()
        total += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sampled", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--broker-kills", type=int, default=3)
    parser.add_argument("--explanations", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=16, help="tweets a batch")
    parser.add_argument("--only", choices=["latency", "fire", "memory"])
    parser.add_argument("--model", type=Path, help="a trained bundle, instead of a tiny one of random weights")
    parser.add_argument("--urgent", type=int, default=URGENT, help="urgent requests, one after another")
    given = parser.parse_args()
    texts = tweets(max(given.sampled, given.requests), seed=7)["text"].to_list()
    table = Table(
        "what",
        "measured",
        title=f"the queue, {'tiny model' if given.model is None else 'trained model'}",
        title_justify="left",
    )
    with tempfile.TemporaryDirectory() as folder:
        bundle = bundles.load(given.model) if given.model else build_tiny(Path(folder) / "tiny", texts[:1000])
        for name, run in {
            "latency": lambda stage: latency(stage, texts[: given.sampled], given.batch, given.urgent),
            "fire": lambda stage: under_fire(
                stage, texts[: given.requests], given.batch, given.kills, given.broker_kills
            ),
            "memory": lambda stage: memory(stage, texts[:1000], given.batch, given.explanations),
        }.items():
            if given.only in (None, name):
                # half of it is a batch's time limit, and a tweet of a trained model may take ten seconds
                stage = Stage(Path(folder) / name, bundle, 600 if given.model else VISIBILITY_S)
                try:
                    for row in run(stage):
                        table.add_row(*row)
                finally:
                    stage.close()
    Console().print(table)


if __name__ == "__main__":
    main()
