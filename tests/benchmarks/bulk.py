"""How fast are tweets classified, and with which labels? Ours and the other ways, side by side in one run.

    python tests/benchmarks/bulk.py                   about 15 minutes on two quiet cores
    python tests/benchmarks/bulk.py --size distil     DistilCamemBERT's size
    python tests/benchmarks/bulk.py --quick           a smoke test: a small model, two minutes
    python tests/benchmarks/bulk.py --base-model PATH --labels 4
                                                      a pretrained checkpoint, really fine-tuned on invented tweets

Every way is run once a round, one after the other, and its row is the median over rounds: the speed of a machine
drifts, ratios within a round do not. The model has random weights and a fitted head (see _base_model.py), which shows
speeds; what int8 does to the labels of real models only `--base-model` shows. The command
also gets a stream as long of which 60 % are retweets, which shows what it saves by classifying a text once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import _base_model as base
import _rivals as rivals
import numpy as np
import onnx
import polars as pl
import torch
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from camembias import bundle as bundles
from camembias import store as stores
from camembias.bundle import Bundle
from camembias.reference import torch_logits
from camembias.scoring import Scorer, margins, open_session
from camembias.settings import cpu_count
from export.job import export

console = Console(width=140)
FEWEST_RESCORED = 0.03
WARM = 64  # tweets that each way gets before it is timed
LONGER = 3  # times as many tweets in a large job of the command's as in its small one: the rate is of the difference
RETWEETS = 0.6  # of the stream that shows what knowing a text saves
REFERENCE = "Hugging Face pipeline, PyTorch, batch 32"


@dataclass
class Row:
    name: str
    way: rivals.Way | None  # None: `note` says why there is none
    note: str = ""
    seconds: list[float] = field(default_factory=list)
    labels: np.ndarray | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(base.LAYERS), default="base")
    parser.add_argument("--base-model", type=Path, help="folder of a pretrained checkpoint, to be fine-tuned")
    parser.add_argument("--labels", type=int, choices=(2, 3, 4, 5), default=5, help="of the fine-tuned model")
    parser.add_argument("--trained-on", type=int, default=1500, help="tweets that it is fine-tuned on")
    parser.add_argument("--tweets", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parity", type=int, default=1000, help="texts that the export is measured on")
    parser.add_argument("--quick", action="store_true", help="--size small --tweets 128 --rounds 1 --parity 200")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--keep", type=Path, help="folder for the model; used again when it is there")
    options = parser.parse_args()
    if options.quick:
        options.size, options.tweets, options.rounds, options.parity = "small", 128, 1, 200
        options.trained_on = 300
    torch.set_num_threads(cpu_count())
    with tempfile.TemporaryDirectory(prefix="camembias-bench-") as scratch:
        found = benchmark(options, Path(scratch))
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")


def benchmark(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    made = _model(options, options.keep or scratch)
    stream = _tweets(options, LONGER * options.tweets, 7).unique("text", maintain_order=True)
    tweets = stream.head(options.tweets)
    texts = tweets["text"].to_list()
    threads, length = cpu_count(), made.manifest.max_length
    fp32 = Scorer.open(made.layout, made.layout.onnx, length, threads)
    int8 = Scorer.open(made.layout, made.layout.onnx_int8, length, threads) if _int8(made) else fp32
    plain = _progress("the graphs of the others", lambda: rivals.plain_graphs(made, scratch / "plain"))
    stream.write_parquet(scratch / "large.parquet")
    tweets.write_parquet(scratch / "small.parquet")
    retweeted(stream).write_parquet(scratch / "retweets.parquet")
    calibration = _tweets(options, 96, 9)["text"].to_list()
    command, bound = Command(made, scratch, len(stream) / len(tweets) - 1), made.manifest.rescore_margin or 0.0
    rows = [
        _row(REFERENCE, lambda: rivals.hugging_face(made)),
        _row("optimum pipeline, fp32, batch 32", lambda: rivals.optimum(made, plain, "model.onnx")),
        _row("optimum pipeline, dynamic int8, batch 32", lambda: rivals.optimum(made, plain, "model_int8.onnx")),
        _row("OpenVINO bf16, our batches", lambda: rivals.openvino(plain, fp32, threads, "bf16")),
        _row("OpenVINO NNCF int8, our batches", lambda: rivals.nncf_int8(plain, fp32, threads, calibration)),
        _row("ONNX Runtime dynamic int8, our batches", lambda: _in_threads(plain / "model_int8.onnx", fp32, threads)),
        _row("camembias fp32, in process", lambda: lambda batch: fp32.logits(batch).argmax(axis=1)),
        _row("camembias int8 + fp32, in process", lambda: _ours(made, int8, fp32)),
        _row("raw ONNX Runtime, classify's batches", lambda: Raw(bound, int8, fp32, texts, stream["text"].to_list())),
        _row("camembias classify, steady rate", lambda: command),
    ]
    for number in range(options.rounds):
        for row in rows:
            if row.way is not None:
                _progress(f"round {number + 1}: {row.name}", lambda row=row: _run(row, texts))
    reference = torch_logits(made, texts).argmax(axis=1)
    return _results(options, made, int8, rows, reference, texts, command)


def retweeted(tweets: pl.DataFrame) -> pl.DataFrame:
    """The same ids, each with one of 40 % of the texts, whose lengths are spread as those of all; in random order."""
    by_length = tweets["text"].gather(tweets["text"].str.len_chars().arg_sort())
    kept = round((1 - RETWEETS) * len(tweets))
    chosen = by_length.gather(np.linspace(0, len(tweets) - 1, kept).round().astype(np.int64))
    texts = chosen.gather(np.arange(len(tweets)) % kept).shuffle(seed=3)
    return tweets.with_columns(text=texts)


def _tweets(options: argparse.Namespace, count: int, seed: int) -> pl.DataFrame:
    """Like those that the model was trained on, but others."""
    if options.base_model:
        return base.tweets(count, seed, base.invented_words(), 0, options.labels)
    return base.tweets(count, seed, base.invented_words())


def _model(options: argparse.Namespace, folder: Path) -> Bundle:
    if options.base_model:
        root = folder / f"{options.base_model.name}-{options.labels}-{options.trained_on}-{options.parity}"
        make = lambda: base.fine_tune(root, options.base_model, options.trained_on, options.labels)  # noqa: E731
    else:
        root = folder / f"{options.size}-{options.parity}"
        make = lambda: base.build(root, options.size)  # noqa: E731
    if not root.exists():
        _progress(f"a model: {root.name}", make)
    made = bundles.load(root)
    if made.manifest.serving_version is None:
        given = _tweets(options, options.parity, 5)["text"].to_list()
        made = _progress("its export", lambda: export(root, given, count=options.parity))
    return made


def _int8(made: Bundle) -> bool:
    return made.layout.onnx_int8.exists()


def _row(name: str, make: Callable[[], rivals.Way]) -> Row:
    try:
        return Row(name, _progress(f"preparing: {name}", make))
    except rivals.NotInstalled as err:
        return Row(name, None, f"not installed: {err}")


def _run(row: Row, texts: list[str]) -> None:
    assert row.way is not None
    steady = isinstance(row.way, Raw | Command)
    if row.labels is None and not steady:
        row.way(texts[:WARM])
    began = time.perf_counter()
    row.labels = row.way(texts)
    row.seconds.append(row.way.steady_s if steady else time.perf_counter() - began)


def _ours(made: Bundle, int8: Scorer, fp32: Scorer) -> rivals.Way:
    """What the bulk job does with distinct texts: int8, then fp32 where the margin is under the bound."""

    def classify(texts: list[str]) -> rivals.Ids:
        logits = int8.logits(texts)
        again = np.flatnonzero(margins(logits) < (made.manifest.rescore_margin or 0))
        if len(again):
            logits[again] = fp32.logits([texts[row] for row in again])
        return logits.argmax(axis=1)

    return classify


def _in_threads(path: Path, scorer: Scorer, threads: int) -> rivals.Way:
    """A graph on our batches, one session a thread, with tokenising."""
    sessions = [open_session(path) for _ in range(threads)]
    return lambda texts: _on_sessions(sessions, list(rivals.feeds(scorer, texts)), len(texts))


class Raw:
    """The least that our own path could take: only `session.run` on arrays made before, re-scoring included."""

    def __init__(self, bound: float, int8: Scorer, fp32: Scorer, small: list[str], large: list[str]) -> None:
        self.more = len(large) / len(small) - 1
        self.quick, self.exact = ([scorer.session] * cpu_count() for scorer in (int8, fp32))  # weights once, as ours
        self.steady_s = 0.0
        self.cpu_s: list[float] = []
        self.jobs = []
        for texts in (small, large):
            again = np.flatnonzero(margins(int8.logits(texts)) < bound)
            exact = list(rivals.feeds(fp32, [texts[row] for row in again]))
            self.jobs.append((len(texts), list(rivals.feeds(int8, texts)), again, exact))
        self._job(*self.jobs[0])  # so that no timed one is the first

    def __call__(self, same: list[str]) -> rivals.Ids:
        (labels, *small), (_, *large) = (self._job(*job) for job in self.jobs)
        # As the command's are, so that both have the same batches.
        self.steady_s, cpu_s = ((b - a) / self.more for a, b in zip(small, large, strict=True))
        self.cpu_s.append(cpu_s)
        return labels

    def _job(
        self, tweets: int, first: list[Any], again: rivals.Ids, second: list[Any]
    ) -> tuple[rivals.Ids, float, float]:
        began, cpu = time.perf_counter(), time.process_time()
        labels = _on_sessions(self.quick, first, tweets)
        labels[again] = _on_sessions(self.exact, second, len(again))
        return labels, time.perf_counter() - began, time.process_time() - cpu


def _on_sessions(sessions: list[Any], batches: list[Any], tweets: int) -> rivals.Ids:
    """Labels; as many batches at once as there are sessions, each taken when one is free."""
    labels = np.zeros(tweets, dtype=np.int64)
    free: SimpleQueue[Any] = SimpleQueue()
    for session in sessions:
        free.put(session)

    def work(batch: Any) -> None:
        (rows, feed), session = batch, free.get()
        labels[rows] = session.run(None, feed)[0].argmax(axis=1)
        free.put(session)

    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(work, batches))
    return labels


class Command:
    """`camembias classify` in a process of its own, on the tweets that the others get, and on more."""

    def __init__(self, made: Bundle, scratch: Path, more: float) -> None:
        """`more`: the tweets by which the large file is longer, in multiples of the small one."""
        self.made, self.scratch, self.more, self.jobs = made, scratch, more, 0
        self.steady_s = 0.0
        self.cpu_s: list[float] = []
        self.retweets_ratio: list[float] = []
        self.start_s: list[float] = []
        self.total_s: list[float] = []
        self.peak_bytes = 0

    def __call__(self, texts: list[str]) -> rivals.Ids:
        small, small_cpu, store = self._job("small.parquet")
        large, large_cpu, _ = self._job("large.parquet")
        # Both jobs start, and both end with a batch that one thread waits for: the rate is that of what lies between.
        self.steady_s = (large - small) / self.more
        self.cpu_s.append((large_cpu - small_cpu) / self.more)
        self.start_s.append(small - self.steady_s)
        self.total_s.append(small)
        retweets, _, _ = self._job("retweets.parquet")  # as long as the large one: else little is left but the start
        self.retweets_ratio.append((large - self.start_s[-1]) / (retweets - self.start_s[-1]))
        rows = stores.open_existing(store).scan("predictions").select("tweet_id", "label").collect()
        tweets = pl.read_parquet(self.scratch / "small.parquet").select("tweet_id")
        labels = tweets.join(rows, on="tweet_id", how="left", maintain_order="left")["label"].to_list()
        return np.array([self.made.manifest.labels.index(label) for label in labels])

    def _job(self, name: str) -> tuple[float, float, Path]:
        """Seconds, seconds of processor time, and the store."""
        self.jobs += 1
        store = self.scratch / f"store-{self.jobs}"
        # Its own peak: the resource usage that a parent is told includes the parent's memory at the fork.
        said = "print(open('/proc/self/status').read(), 'cpu', time.process_time())"
        code = f"import time\nfrom camembias.cli import main\ntry: main()\nfinally: {said}"
        arguments = ["classify", self.made.layout.root, self.scratch / name, "--store", store]
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"camembias classify failed with status {done.returncode}")
        peak = next(line for line in done.stdout.splitlines() if line.startswith("VmHWM:"))
        self.peak_bytes = max(self.peak_bytes, int(peak.split()[1]) * 1024)
        return seconds, float(done.stdout.split()[-1]), store


def int8_ceiling(threads: int, seconds: float = 1.0) -> float:
    """Multiplications and additions of int8 a second in ONNX Runtime's own matrix product, one session a thread."""
    rows, inner, columns = 512, 768, 3072
    weight = np.random.default_rng(0).integers(-127, 127, (inner, columns)).astype(np.int8)
    node = helper.make_node("MatMulInteger", ["a", "w", "zero"], ["y"])
    graph = helper.make_graph(
        [node],
        "ceiling",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, [rows, inner])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [rows, columns])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array(128, np.uint8), "zero")],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ceiling.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
        sessions = [open_session(path) for _ in range(threads)]
    feed = {"a": np.random.default_rng(1).integers(0, 255, (rows, inner)).astype(np.uint8)}

    def work(session: Any) -> int:
        until, runs = time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            session.run(None, feed)
            runs += 1
        return runs

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, sessions)) * 2 * rows * inner * columns / seconds


def _results(
    options: argparse.Namespace,
    made: Bundle,
    int8: Scorer,
    rows: list[Row],
    reference: np.ndarray,
    texts: list[str],
    command: Command,
) -> dict[str, Any]:
    lengths = np.array([len(encoding.ids) for encoding in int8.tokenizer.encode_batch_fast(texts)])
    logits = int8.logits(texts)
    ceiling = int8_ceiling(cpu_count())
    config = json.loads((made.layout.checkpoint / "config.json").read_text(encoding="utf-8"))
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    per_tweet = 24 * layers * width**2 * float(lengths.mean())  # products with weights alone
    slowest = rows[0].seconds
    table = []
    for row in rows:
        if row.way is None:
            table.append({"way": row.name, "note": row.note})
            continue
        ratios = [first / own for first, own in zip(slowest, row.seconds, strict=True)]
        table.append(
            {
                "way": row.name,
                "tweets_per_s": len(texts) / statistics.median(row.seconds),
                "times_reference": statistics.median(ratios),
                "labels_as_pytorch": float((row.labels == reference).mean()),
            }
        )
    parity = made.manifest.parity or {}
    return {
        "model": options.base_model.name if options.base_model else f"random weights, size {options.size}",
        "tweets": len(texts),
        "rounds": options.rounds,
        "threads": cpu_count(),
        "cpu": parity["cpu"],
        "int8_labels_that_differ": int((logits.argmax(axis=1) != reference).sum()),
        "tokens_mean": float(lengths.mean()),
        "tokens_quantiles": dict(
            zip(
                map(str, (5, 25, 50, 75, 95, 100)),
                np.percentile(lengths, [5, 25, 50, 75, 95, 100]).tolist(),
                strict=True,
            )
        ),
        "labels": dict(
            zip(made.manifest.labels, np.bincount(reference, minlength=len(made.labels)).tolist(), strict=True)
        ),
        "int8": parity["sentence"],
        "rescore_margin": made.manifest.rescore_margin,
        "rescored_share": float((margins(logits) < (made.manifest.rescore_margin or 0)).mean()),
        "rows": table,
        "overhead_of_classify": _overhead(rows[-1].seconds, rows[-2].seconds),
        "overhead_of_classify_cpu": _overhead(command.cpu_s, rows[-2].way.cpu_s),
        "classify_start_s": statistics.median(command.start_s),
        "classify_total_s": statistics.median(command.total_s),
        "retweets_ratio": statistics.median(command.retweets_ratio),
        "classify_peak_gb": command.peak_bytes / 1e9,
        "int8_ceiling_gops": ceiling / 1e9,
        "int8_ceiling_tweets_per_s": ceiling / per_tweet,
    }


def _overhead(whole: list[float], raw: list[float]) -> float:
    return statistics.median(mine / least - 1 for mine, least in zip(whole, raw, strict=True))


def show(found: dict[str, Any]) -> None:
    quantiles = ", ".join(f"{name} % {value:.0f}" for name, value in found["tokens_quantiles"].items())
    console.print(
        f"\n{found['tweets']} tweets of {found['tokens_mean']:.1f} tokens ({quantiles}), {found['model']}, "
        f"{found['threads']} threads, {found['cpu']}, medians of {found['rounds']} rounds\nlabels {found['labels']}\n"
        f"{found['int8']} Bound {found['rescore_margin']} logits: {found['rescored_share']:.1%} scored again; "
        f"before, {found['int8_labels_that_differ']} labels differ"
    )
    if found["rescored_share"] < FEWEST_RESCORED:
        console.print(
            f"[red]fewer than {FEWEST_RESCORED:.0%} are scored again: speed and labels here prove little[/red]"
        )
    table = Table("way", "tweets/s", "× first row", "labels as PyTorch fp32")
    for row in found["rows"]:
        if "note" in row:
            table.add_row(row["way"], row["note"], "", "")
        else:
            cells = f"{row['tweets_per_s']:.1f}", f"{row['times_reference']:.2f}", f"{row['labels_as_pytorch']:.2%}"
            table.add_row(row["way"], *cells)
    console.print(table)
    console.print(
        f"classify over raw ONNX Runtime: {found['overhead_of_classify']:+.1%}, "
        f"by processor time {found['overhead_of_classify_cpu']:+.1%}; it starts in "
        f"{found['classify_start_s']:.1f} s, takes {found['classify_total_s']:.1f} s in all and "
        f"{found['classify_peak_gb']:.2f} GB at most\n"
        f"a stream of {RETWEETS:.0%} retweets: {found['retweets_ratio']:.2f} × as fast as one without any\n"
        f"int8 ceiling of the machine: {found['int8_ceiling_gops']:.0f} GOP/s, "
        f"or {found['int8_ceiling_tweets_per_s']:.0f} tweets/s"
    )


def _progress(title: str, work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    with console.status(title):
        found = work()
    console.print(f"[dim]{title}: {time.perf_counter() - began:.1f} s[/dim]")
    return found


if __name__ == "__main__":
    main()
