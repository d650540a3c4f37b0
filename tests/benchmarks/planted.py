"""Does the audit find what was planted, and nothing else? `camembias selftest` over several seeds, summed up.

    python tests/benchmarks/planted.py --seeds 1 2 3 4 5 --folder /tmp/exam

Runs that are in the folder are marked again, not made again. Five planted seeds and two nulls take about an hour on
two cores.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from scipy.stats import binomtest

from camembias.exam import ENOUGH_TWEETS, PURITIES

CODE = [sys.executable, "-c", "from camembias.cli import main; main()", "selftest", "--json"]
WITNESSES = ("association", "reliance", "effect", "verdict")


def run(folder: Path, kind: str, seed: int, *options: str) -> dict:
    done = subprocess.run(
        [*CODE, "--folder", str(folder), "--kind", kind, "--seed", str(seed), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode not in (0, 1):  # 1: the audit failed its exam, and says how
        raise SystemExit(f"selftest --kind {kind} --seed {seed} ended with {done.returncode}")
    return json.loads(done.stdout)


def share(hits: int, of: int) -> str:
    """A share with its 95 % interval (Wilson 1927)."""
    if not of:
        return "none"
    low, high = binomtest(hits, of).proportion_ci(method="wilson")
    return f"{hits}/{of} = {hits / of:.2f} [{low:.2f}, {high:.2f}]"


def ranking(planted: list[dict]) -> str:
    found = {name: [one["average_precision"][name] for one in planted] for name in WITNESSES}
    means = ", ".join(f"{name} {statistics.fmean(values):.3f}" for name, values in found.items())
    alone = [max(values) for values in zip(*(found[name] for name in WITNESSES if name != "verdict"), strict=True)]
    ahead = sum(verdict >= best for verdict, best in zip(found["verdict"], alone, strict=True))
    return (
        f"\naverage precision, mean over seeds: {means}; of whichever witness is best {statistics.fmean(alone):.3f}\n"
        f"    the verdict ranks no worse than the best single witness in {ahead} of {len(planted)} seeds"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--nulls", type=int, nargs="*", default=[1], help="seeds of unplanted and permuted runs")
    parser.add_argument("--folder", type=Path, help="where runs are kept; a temporary folder when not given")
    parser.add_argument("--base-model", help="a pretrained model to fine-tune; tiny when not given")
    for size in ("labelled", "tweets", "sample"):
        parser.add_argument(f"--{size}", help="as of camembias selftest")
    given = parser.parse_args()
    named = {name: getattr(given, name.replace("-", "_")) for name in ("base-model", "labelled", "tweets", "sample")}
    options = [part for name, value in named.items() if value for part in (f"--{name}", value)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        planted = [run(folder, "planted", seed, *options) for seed in given.seeds]
        nulls = [run(folder, kind, seed, *options) for kind in ("unplanted", "permuted") for seed in given.nulls]
    for one in planted:
        precision, average, alone = (
            one[name] for name in ("precision_at_k", "average_precision", "average_precision_alone")
        )
        print(
            f"seed {one['seed']}: {one['used']} of {one['plants']} plants used (over {one['floor']:.2f} logits), "
            f"{one['used_confirmed']} of them confirmed, {one['unused_confirmed']} unused confirmed; "
            f"{one['false_discoveries']} of {one['discoveries']} discoveries false; "
            f"weakest found {one['weakest_found'] or math.nan:.2f} logits"
        )
        for name in WITNESSES:
            print(
                f"    {name:12} average precision {average[name]:.3f}, precision@k {precision[name]:.3f}; "
                f"average precision among planted words and words of no label {alone[name]:.3f}"
            )
    if planted:
        print(ranking(planted))
    print(f"\nrecall of used plants in {ENOUGH_TWEETS} or more explained tweets")
    for purity in PURITIES:
        found, of = (sum(one[f"{what}_{purity:.0%}"] for one in planted) for what in ("confirmed", "used"))
        print(f"    {purity:4.0%} pure   {share(found, of)}")
    discoveries = sum(one["discoveries"] for one in planted)
    print(f"realised FDR: {share(sum(one['false_discoveries'] for one in planted), discoveries)}")
    print(f"unused plants confirmed: {sum(one['unused_confirmed'] for one in planted)}")
    for one in nulls:
        print(f"{one['kind']} {one['seed']}: {one['false_discoveries']} of {one['discoveries']} discoveries false")


if __name__ == "__main__":
    main()
