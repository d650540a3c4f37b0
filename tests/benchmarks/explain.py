"""Explanations a second, completeness and agreement, beside Captum called tweet by tweet. One run prints one table.

    python tests/benchmarks/explain.py --base-model PATH     # fine-tuned first, on invented tweets
    python tests/benchmarks/explain.py --model BUNDLE --texts tweets.csv
    python tests/benchmarks/explain.py                       # random weights: speed alone

What is hard to integrate is a really fine-tuned model, whose logits are steps along the path; random weights of
camembert-base's size, scaled up, show the speed of a larger model. The ways take turns, so that a machine that
slows down slows all of them; read ratios, not speeds. Captum is called with its 50 steps, and with as many as each
tweet needs to add up as well as ours do, which nobody knows beforehand. On a GPU when there is one, as the worker.
About 12 minutes
on two quiet cores; `--quick` about 2; `--soak N` measures memory over 2 x N explanations instead.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import _base_model as base
import numpy as np
import polars as pl
import torch
from captum.attr import LayerIntegratedGradients

from camembias import bundle, synthetic
from camembias.checkpoint import best_device, load_model, load_tokenizer, special_ids
from camembias.settings import cpu_count
from camembias.text import normalise
from explain_worker.attribution import SMALLEST_CHANGE, SOUGHT_ERROR, Attribution, explain
from explain_worker.budget import token_budget
from explain_worker.path import Passes, Row
from explain_worker.precision import bf16_copy, has_bf16, spearman

SPECIAL_IDS = {"pad": 1, "bos": 5, "eos": 6, "mask": 7}
LABELS = 4  # of random weights, and of a model that is fine-tuned here
FINE_TUNED_ON = 1500  # tweets
STEPS = 50  # Captum's default
MOST_STEPS = 1600
AT_ONCE = 50  # steps of Captum in one pass
SCALES = {
    "base": 3.1,
    "small": 7,
    "tiny": 3.1,
}  # of the random weights: more than 30 % of tweets miss 5 % with 8 nodes


def scaled(size: str, vocabulary: int, scale: float) -> torch.nn.Module:
    """Random weights, those of matrices multiplied by `scale`; frozen."""
    network = base.random_weights(size, vocabulary, [f"label {number}" for number in range(LABELS)]).requires_grad_(
        False
    )
    for module in network.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.mul_(scale)
    return network.to(best_device())


def tokenized(count: int) -> tuple[int, list[Row]]:
    """The size of the vocabulary, and `count` invented tweets of about 34 tokens."""
    invented = base.invented_words()
    with TemporaryDirectory() as folder:
        fast = base.tokenizer(base.corpus(invented), Path(folder))
    found = fast(base.tweets(count, 7, invented)["text"].to_list(), truncation=True, return_special_tokens_mask=True)
    rows = zip(found["input_ids"], found["special_tokens_mask"], strict=True)
    return len(fast), [Row(ids, special, [0]) for ids, special in rows]


def captum_one_by_one(
    network: torch.nn.Module, row: Row, targets: Sequence[int], steps: int = STEPS, positions: bool = True
) -> list[float]:
    """LayerIntegratedGradients, one tweet and one label a call; what each call's scores miss, in logits.

    Without `positions`, as transformers-interpret does: `<pad>` as baseline, positions left to the model, the delta
    computed, and one pass for the prediction.
    """
    ids = torch.tensor([row.ids], device=best_device())
    attention = torch.ones_like(ids)
    absent = SPECIAL_IDS["mask" if positions else "pad"]
    baseline = ids.where(torch.tensor([row.special], device=ids.device).bool(), absent)

    def logits(ids: torch.Tensor, attention: torch.Tensor, at: torch.Tensor | None = None) -> torch.Tensor:
        found: torch.Tensor = network(input_ids=ids, attention_mask=attention, position_ids=at).logits
        return found

    extra = (attention, torch.arange(2, 2 + ids.shape[1], device=ids.device)[None]) if positions else (attention,)
    method = LayerIntegratedGradients(logits, network.get_input_embeddings())  # type: ignore[operator]
    missed = []
    for target in targets:
        if not positions:
            with torch.no_grad():
                logits(ids, attention)
        _, delta = method.attribute(
            ids,
            baselines=baseline,
            target=target,
            additional_forward_args=extra,
            n_steps=steps,
            internal_batch_size=AT_ONCE if steps > AT_ONCE else None,
            return_convergence_delta=True,
        )
        missed.append(abs(float(delta)))
    return missed


def steps_needed(network: torch.nn.Module, row: Row, target: int, ours: Attribution) -> int:
    """The fewest of 50, 100, … 1600 with which Captum misses no more than 3 %, or than the attribution does."""
    change = max(abs(ours.logit - ours.logit_baseline), SMALLEST_CHANGE)
    accepted = max(abs(ours.delta), SOUGHT_ERROR * change)
    steps = STEPS
    while steps < MOST_STEPS and captum_one_by_one(network, row, [target], steps)[0] > accepted:
        steps *= 2
    return steps


def exact(network: torch.nn.Module, row: Row, target: int, nodes: int = 300) -> list[float]:
    """Scores by plain autograd in the network's precision at many Gauss-Legendre nodes."""
    table = network.get_input_embeddings()  # type: ignore[operator]
    ids, special = (torch.tensor(x, device=best_device()) for x in (row.ids, row.special))
    end, start = (table(x).detach() for x in (ids, ids.where(special.bool(), SPECIAL_IDS["mask"])))
    total = torch.zeros_like(end)
    points, weights = (torch.tensor(x, device=ids.device) for x in np.polynomial.legendre.leggauss(nodes))
    for at, weight in zip(points.split(25), weights.split(25), strict=True):
        here = (start + (at[:, None, None] + 1) / 2 * (end - start)).requires_grad_()
        positions = torch.arange(2, 2 + len(ids), device=ids.device).expand(len(here), -1)
        logits = network(inputs_embeds=here, position_ids=positions).logits
        [slope] = torch.autograd.grad(logits[:, target].sum(), here)
        total += (weight[:, None, None] / 2 * slope).sum(dim=0)
    scores: list[float] = (total * (end - start)).sum(dim=1).tolist()
    return scores


def soak(count: int) -> None:
    """Resident memory over twice `count` explanations of a tiny model, 16 tweets a batch, all labels.

    The allocator fills its pools in the first half; a leak would go on in the second.
    """
    vocabulary, rows = tokenized(4000)
    network, rows = scaled("tiny", vocabulary, SCALES["tiny"]), asked(rows, range(LABELS))
    sizes, done = [], 0
    for start in iter_for_ever(len(rows), 16):
        done += len(explain(network, SPECIAL_IDS, rows[start : start + 16]))
        sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
        if done >= 2 * count:
            break
    for part, half in (("first", sizes[: len(sizes) // 2]), ("second", sizes[len(sizes) // 2 :])):
        slope = np.polyfit(np.arange(len(half)), half, 1)[0] * len(half)
        print(f"soak, {part} {done // 2} explanations: {half[-1] / 2**20:.0f} MiB, slope {slope / half[0]:+.2%}")


def iter_for_ever(length: int, step: int) -> Iterator[int]:
    while True:
        yield from range(0, length - step + 1, step)


def asked(rows: Sequence[Row], targets: Sequence[int]) -> list[Row]:
    return [replace(row, targets=targets) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tweets", type=int, default=12, help="tweets of ours in a round, one target")
    parser.add_argument("--reference", type=int, default=6, help="tweets of the 300-node float64 reference")
    parser.add_argument("--scale", type=float, help="of the random weights")
    parser.add_argument("--threads", type=int, default=cpu_count())
    parser.add_argument("--quick", action="store_true", help="a small model and two rounds: does it run?")
    parser.add_argument("--base-model", type=Path, help="a pretrained model, fine-tuned first on invented tweets")
    parser.add_argument("--model", type=Path, help="a bundle that is trained already")
    parser.add_argument("--texts", type=Path, help="with --model: a CSV whose column `text` is explained")
    parser.add_argument("--soak", type=int, metavar="N")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.soak:
        soak(given.soak)
        return
    device = best_device()
    with TemporaryDirectory() as folder:
        network, rows, what = trained(given, Path(folder)) if given.model or given.base_model else random(given)
    lengths, labels = [len(row.ids) for row in rows], range(network.config.num_labels)  # type: ignore[union-attr, arg-type]
    print(f"{what}: {sum(p.numel() for p in network.parameters()) / 1e6:.0f} M weights, {len(labels)} labels, ")
    print(f"{np.mean(lengths):.1f} tokens a tweet, on {device.type}, bf16 in hardware: {has_bf16(device)}")
    print(f"{cpu_count()} CPUs, {given.threads} threads", flush=True)
    measure(network, rows, 2 if given.quick else given.rounds, given.tweets, labels)
    if given.reference:
        agreement(network, rows[: given.reference], labels)


def random(given: argparse.Namespace) -> tuple[torch.nn.Module, list[Row], str]:
    size = "small" if given.quick else "base"
    scale = given.scale or SCALES[size]
    vocabulary, rows = tokenized(400)
    return scaled(size, vocabulary, scale), rows, f"random weights x {scale}, size {size}"


def trained(given: argparse.Namespace, folder: Path) -> tuple[torch.nn.Module, list[Row], str]:
    """A bundle's model, or a base model that is fine-tuned here, and tweets to explain by it."""
    model = (
        bundle.load(given.model)
        if given.model
        else base.fine_tune(folder / "m", given.base_model, FINE_TUNED_ON, LABELS)
    )
    tokenizer = load_tokenizer(model.layout, model.manifest.max_length)
    SPECIAL_IDS.update(special_ids(model.layout))
    if given.texts:
        texts = (
            pl.read_csv(given.texts, infer_schema=False)["text"]
            .drop_nulls()
            .sample(400, seed=7, shuffle=True)
            .to_list()
        )
    else:
        texts = synthetic.tweets(400, seed=7)["text"].to_list()
    cut = tokenizer.encode_batch([normalise(text) for text in texts])
    rows = [Row(one.ids, one.special_tokens_mask, [0]) for one in cut]
    return (
        load_model(model.layout).to(best_device()),
        rows,
        f"really fine-tuned, {model.manifest.base_model.split('/')[-1]}",
    )


def measure(network: torch.nn.Module, rows: Sequence[Row], rounds: int, count: int, all_labels: range) -> None:
    threads = torch.get_num_threads()
    streams = threads if best_device().type == "cpu" else 1
    ways = {"fp32": Passes(network, token_budget=token_budget(network, streams), streams=streams)}
    if has_bf16(best_device()):
        ways["bf16"] = replace(ways["fp32"], network=bf16_copy(network), precision="bf16")
    found: dict[str, list[Attribution]] = defaultdict(list)
    needed: list[int] = []
    first, every = "1 label", f"{len(all_labels)} labels"

    def ours(precision: str, targets: Sequence[int]) -> Run:
        def run(some: Sequence[Row]) -> None:
            torch.set_num_threads(1)  # as the worker does: passes run side by side
            found[f"{precision}, {every if len(targets) > 1 else first}"] += explain(
                network, SPECIAL_IDS, asked(some, targets), passes=ways[precision]
            )
            torch.set_num_threads(threads)

        return run

    few = max(count // len(all_labels), 4)
    table: list[tuple[str, int, int, Run]] = [  # name, tweets a round, labels, how
        (f"captum, {first}", 1, 1, lambda some: captum_one_by_one(network, some[0], [0])),
        (
            f"captum, as many steps as needed, {first}",
            1,
            1,
            lambda some: captum_one_by_one(network, some[0], [0], needed[-1]),
        ),
        (
            f"as transformers-interpret, {first}",
            1,
            1,
            lambda some: captum_one_by_one(network, some[0], [0], positions=False),
        ),
        *((f"ours {name}, {first}", count, 1, ours(name, [0])) for name in ways),
        (f"captum, {every}", 1, len(all_labels), lambda some: captum_one_by_one(network, some[0], all_labels)),
        *((f"ours {name}, {every}", few, len(all_labels), ours(name, all_labels)) for name in ways),
    ]
    spent: dict[str, Spent] = {name: Spent(labels) for name, _, labels, _ in table}
    ours("fp32", [0])(rows[:2])  # the first passes are slow
    found.clear()
    for turn in range(rounds):
        row = rows[turn * count % len(rows)]
        [mine] = explain(network, SPECIAL_IDS, asked([row], [0]))
        needed.append(steps_needed(network, row, 0, mine))
        for name, tweets_, labels, run in table:
            some = [rows[(turn * count + number) % len(rows)] for number in range(tweets_)]
            spent[name].add(sum(len(row.ids) for row in some) * labels, run, some)
        print(f"round {turn + 1} of {rounds}")
        show(spent, float(np.mean([len(row.ids) for row in rows])), found, needed)


Run = Callable[[Sequence[Row]], None]


@dataclass(slots=True)
class Spent:
    labels: int
    tokens: float = 0  # explained, times labels: tweets differ in length
    wall: float = 0  # seconds
    cpu: float = 0

    def add(self, tokens: float, run: Run, some: Sequence[Row]) -> None:
        began = time.perf_counter(), time.process_time()
        run(some)
        self.wall += time.perf_counter() - began[0]
        self.cpu += time.process_time() - began[1]
        self.tokens += tokens


def show(
    spent: Mapping[str, Spent], mean: float, found: Mapping[str, Sequence[Attribution]], needed: Sequence[int]
) -> None:
    print(f"{'explanations of a tweet of mean length':40} {'a second':>9} {'ratio':>6} {'by CPU time':>11}")
    for name, one in spent.items():
        other = spent[f"captum, {one.labels} label{'s' * (one.labels > 1)}"]
        rate, base = one.tokens / one.wall, other.tokens / other.wall
        by_cpu = one.tokens / one.cpu * other.cpu / other.tokens
        print(f"{name:40} {rate / mean:9.2f} {rate / base:6.1f} {by_cpu:11.1f}")
    print(f"steps that Captum needs: {', '.join(map(str, needed))}")
    for name, many in found.items():
        errors, misses = ([getattr(one, what) for one in many] for what in ("relative_error", "delta"))
        print(
            f"{name}: {len(many)} explanations, {np.mean([one.steps for one in many]):.1f} nodes on average, "
            f"completeness error p50 {np.median(errors):.2%} p95 {np.quantile(errors, 0.95):.2%}, "
            f"p95 {np.quantile(np.abs(misses), 0.95):.4f} logits, "
            f"{np.mean([not one.converged for one in many]):.1%} never pass",
            flush=True,
        )


def agreement(network: torch.nn.Module, rows: Sequence[Row], labels: range) -> None:
    """With an exact integral, of the label that moves most in each tweet."""
    found = explain(network, SPECIAL_IDS, asked(rows, labels))
    moved = np.abs([one.logit - one.logit_baseline for one in found]).reshape(len(rows), len(labels))
    wide = network.double()
    ranks = []
    for number, (row, label) in enumerate(zip(rows, moved.argmax(axis=1).tolist(), strict=True)):
        one = found[number * len(labels) + label]
        ranks.append(spearman(exact(wide, row, label)[1:-1], one.scores[1:-1]))
    print(
        f"Spearman over tokens with 300 nodes in float64, {len(rows)} tweets that move by "
        f"{np.median(moved.max(axis=1)):.2f} logits: p5 {np.quantile(ranks, 0.05):.4f} p50 {np.median(ranks):.4f}"
    )


if __name__ == "__main__":
    main()
