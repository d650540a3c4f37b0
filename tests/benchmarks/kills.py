"""Kills `camembias classify` with -9 at random points, runs it to its end, and counts what is lost or doubled.

python tests/benchmarks/kills.py demo/models/demo --tweets 200000 --kills 20
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from memory import CODE, DEMO, make

from camembias import store as stores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "model", type=Path, nargs="?", default=DEMO, help="an exported bundle; the demo's when not given"
    )
    parser.add_argument("--tweets", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--between", type=float, nargs=2, default=(3.0, 12.0), help="seconds until each kill")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    dice, killed = random.Random(arguments.seed), 0
    with tempfile.TemporaryDirectory() as name:
        table, store = Path(name) / "tweets.csv", Path(name) / "store"
        make(table, arguments.tweets)
        command = [*CODE, str(arguments.model), str(table), "--store", str(store)]
        for _ in range(arguments.kills):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            time.sleep(dice.uniform(*arguments.between))
            killed += process.poll() is None
            process.kill()
            process.wait()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = stores.open_existing(store)
        ids = found.scan("predictions").select("tweet_id").collect()["tweet_id"]
        texts = found.scan("tweets").select("tweet_id").collect()["tweet_id"]
        expected = pl.Series([str(10**18 + row) for row in range(arguments.tweets)])
        lost, doubled = len(set(expected) - set(ids)), len(ids) - ids.n_unique()
        parts = len(found.part_names("units"))
    print(f"{killed} kills in {arguments.tweets} tweets, {parts} units: {lost} lost, {doubled} doubled")
    if lost or doubled or texts.n_unique() != len(texts) or set(texts) != set(ids):
        sys.exit(1)


if __name__ == "__main__":
    main()
