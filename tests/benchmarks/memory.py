"""Peak memory and time of `camembias classify` for inputs of several lengths: both ratios, in one run.

    python tests/benchmarks/memory.py demo/models/demo --sizes 100000 1000000

Texts are distinct, and short so that a million end in minutes: what could grow with the input does not depend on them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from camembias import synthetic

DEMO = Path("demo/models/demo")
CODE = [sys.executable, "-c", "from camembias.cli import main; main()", "classify"]


def make(path: Path, rows: int, words: int = 5) -> None:
    """Beginnings of invented tweets, each with its number: cheap, and no two alike."""
    starts = [" ".join(text.split()[:words]).replace('"', "") for text in synthetic.tweets(2000, seed=6)["text"]]
    with path.open("w", encoding="utf-8") as handle:
        handle.write("tweet_id,author,text\n")
        for row in range(rows):
            handle.write(f'{10**18 + row},auteur_{row % 997},"{starts[row % 2000]} {row}"\n')


def measure(model: Path, table: Path, store: Path) -> tuple[float, float]:
    """Peak RSS in MiB and seconds of one run, in a process of its own."""
    began = time.monotonic()
    process = subprocess.Popen([*CODE, str(model), str(table), "--store", str(store)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"classify ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "model", type=Path, nargs="?", default=DEMO, help="an exported bundle; the demo's when not given"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    arguments = parser.parse_args()
    print(f"{'rows':>10} {'peak RSS':>10} {'ratio':>7} {'seconds':>9} {'ratio':>7}")
    first: tuple[float, float] | None = None
    for rows in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder) / "tweets.csv", rows)
            peak, seconds = measure(arguments.model, Path(folder) / "tweets.csv", Path(folder) / "store")
        first = first or (peak, seconds)
        print(
            f"{rows:>10} {peak:>6.0f} MiB {peak / first[0]:>7.3f} {seconds:>9.1f} {seconds / first[1]:>7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
