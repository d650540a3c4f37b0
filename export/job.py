"""checkpoint → fp32 ONNX → int8 ONNX → parity and bounds → the gate → model card and manifest."""

from __future__ import annotations

import os
import platform
import random
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from camembias import bundle
from camembias.bundle import Bundle, Layout, Manifest
from camembias.checkpoint import load_model, load_tokenizer
from camembias.errors import BundleError, CamembiasError
from camembias.files import replacing
from camembias.reference import torch_logits
from camembias.scoring import Logits, Scorer
from camembias.settings import cpu_count
from export import bounds, card, graph, int8, layers, parity, ranges
from export.texts import PARITY_TEXTS, Texts

Step = Callable[[str, float | None], AbstractContextManager[Callable[[float], None]]]  # title, amount of work
_NEIGHBOURS = (64, 7)  # texts scored together in the batchings that are tried beside the sorted one
_ALONE = 32  # stress texts also scored in batches of one


@contextmanager
def silent(title: str, total: float | None = None) -> Any:
    yield lambda amount: None


def export(
    root: Path, texts: list[str], truth: list[str] | None = None, step: Step = silent, count: int = PARITY_TEXTS
) -> Bundle:
    """Replace the bundle at `root` by one that also holds both graphs and what they change.

    `texts` are filled up to `count` with invented ones; `truth` are their labels where they are known. The new bundle
    is made beside the old one and takes its place by renaming, so that whatever fails leaves the old one as it was.
    Raises BundleError when the fp32 graph is not the model within tolerance. An int8 graph that cannot be made or fails
    the gate is left out, and fp32 serves.
    """
    root = root.resolve()
    manifest = bundle.read_manifest(Layout(root))
    if bundle.model_version(Layout(root), Bundle(Layout(root), manifest).labels) != manifest.model_version:
        raise BundleError(f"the weights of '{root}' are not those its manifest describes; train the model again")
    chosen = Texts.gather(texts, truth, load_tokenizer(Layout(root), manifest.max_length), manifest.max_length, count)
    with bundle.building(root) as layout:
        skip = shutil.ignore_patterns("onnx", "*.tmp")
        shutil.copytree(root, layout.root, dirs_exist_ok=True, copy_function=_link, ignore=skip)
        made = Bundle(layout, replace(manifest, exported_from=manifest.model_version))
        with replacing(layout.onnx) as fp32, step("fp32 graph", None):
            shortened = graph.export_fp32(layout, fp32)
        manifest = _judged(made, chosen, step)
        manifest = replace(manifest, parity={**(manifest.parity or {}), "first_token_only": shortened})
        card.write_section(layout.model_card, manifest)
        bundle.seal(layout, replace(manifest, serving_version=bundle.serving_version(layout, manifest)))
    return bundle.load(root)


def _link(source: str, target: str) -> None:
    """Files of a bundle are only ever replaced, never written into, so two folders may share them."""
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _judged(made: Bundle, texts: Texts, step: Step) -> Manifest:
    """The manifest with parity and bounds, int8 made and judged, or left out with the reason."""
    with step("PyTorch", len(texts.all)) as advance:
        reference = torch_logits(made, texts.all, advance)
    with step("fp32 against PyTorch", len(texts.all)) as advance:
        fp32 = _scorer(made, made.layout.onnx).logits(texts.all, advance)
    _refuse_wrong_fp32(made.layout, float(np.abs(reference - fp32).max()))
    report = parity.report(reference, {"fp32": fp32}, texts, made.manifest.labels)
    runs = _int8_runs(made, texts, step)
    if isinstance(runs, str):
        why: str | None = runs
    else:
        report, found, why = _measured(made, reference, fp32, runs, texts)
    report["int8"] = report.get("int8", {}) | {"served": why is None, "refused": why}
    report["cpu"] = _cpu()
    if why is None:
        report["sentence"] = "int8 serves; what it cannot be trusted with is scored again in fp32."
        return replace(made.manifest, parity=report, rescore_margin=found.margin, rescore_p=found.p)
    made.layout.onnx_int8.unlink(missing_ok=True)
    report["sentence"] = f"int8 is left out because {why}; fp32 serves."
    return replace(made.manifest, parity=report, rescore_margin=None, rescore_p=None)


def _measured(
    made: Bundle, reference: Logits, fp32: Logits, runs: list[Logits], texts: Texts
) -> tuple[dict[str, Any], bounds.Bounds, str | None]:
    """What int8 changes, under which bounds it is scored again, and why it may not serve: None when it may."""
    safety, by_others = bounds.holding(fp32, runs, made.manifest)
    found = bounds.measure(fp32, runs, made.manifest, safety)
    differ = max(bounds.decisions_that_differ(fp32, run, made.manifest) for run in by_others)
    reports = [
        parity.report(reference, {"fp32": fp32, "int8": runs[0], "held_out": run}, texts, made.manifest.labels)
        for run in by_others
    ]
    report = max(reports, key=lambda one: float(one["held_out"]["macro_f1_drop"]))
    stored = [bounds.stored(fp32, run, found, made.manifest) for run in runs]
    report |= {
        "neighbours_max_abs_logit": float(max(np.abs(run - runs[0]).max() for run in runs)),
        "rescored_share": float(found.rescored(runs[0], made.manifest)[: texts.parity].mean()),
        "stored_differ": max(bounds.decisions_that_differ(fp32, run, made.manifest) for run in stored),
        "held_out_differ": differ,
        "safety": safety,
    }
    why = parity.refusal(
        report["int8"]["agreement"],
        differ,
        report["held_out"]["macro_f1_drop"],
        report["rescored_share"],
    )
    return report, found, why


def _int8_runs(made: Bundle, texts: Texts, step: Step) -> list[Logits] | str:
    """Makes the int8 graph. Its logits of all texts in several batchings; or, in words, why there are none."""
    try:
        _make_int8(made, texts, step)
        if not layers.any_in_int8(made.layout.onnx_int8):
            return "none of its products is in int8"
        return _among_neighbours(made, texts, step)
    except (CamembiasError, OSError):  # the bundle or the disk is to blame, and fp32 would fare no better
        raise
    except Exception as err:  # of whatever makes or runs the graph, which knows some architectures and not others
        return f"it cannot be made ({type(err).__name__}: {' '.join(str(err).split())[:160]})"


def _make_int8(made: Bundle, texts: Texts, step: Step) -> None:
    """The int8 graph with weights of 8 bits, or of 7 where this CPU does not add products of 8 exactly."""
    layout, names = made.layout, layers.of_the_body(load_model(made.layout))
    with step("int8 graph", None):
        some = [*texts.all[: texts.parity : ranges.EVERY], *texts.all[texts.parity :: ranges.EVERY_ODD]]
        found = ranges.measure(layout, names, some, made.manifest.max_length)
        for largest in (int8.WEIGHT_8_BITS, int8.WEIGHT_7_BITS):
            with replacing(layout.onnx_int8) as target:
                int8.quantise(layout.onnx, names, target, found, largest)
            if _scorer(made, layout.onnx_int8).sums_are_exact():
                return


def _among_neighbours(made: Bundle, texts: Texts, step: Step) -> list[Logits]:
    """int8 logits of all texts sorted as the bulk job does, among random neighbours, and some of them alone.

    Neighbours should change nothing, but for last bits of fp32 that turn a code: the bounds cover what they do.
    """
    scorer = _scorer(made, made.layout.onnx_int8)
    runs = []
    with step("int8 among different neighbours", (1 + len(_NEIGHBOURS)) * len(texts.all)) as advance:
        runs.append(scorer.logits(texts.all, advance))
        for size in _NEIGHBOURS:
            order = random.Random(size).sample(range(len(texts.all)), len(texts.all))
            run = np.empty_like(runs[0])
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                run[rows] = scorer.logits([texts.all[row] for row in rows], advance)
            runs.append(run)
    for row in range(len(texts.all) - _ALONE, len(texts.all)):
        runs[-1][row] = scorer.logits([texts.all[row]])[0]
    # A graph that gives no numbers is judged as one that gives wrong ones: its report stays readable.
    return [np.nan_to_num(run, nan=0.0, posinf=1e9, neginf=-1e9) for run in runs]


def _scorer(made: Bundle, graph: Path) -> Scorer:
    return Scorer.open(made.layout, graph, made.manifest.max_length, cpu_count())


def _refuse_wrong_fp32(layout: Layout, difference: float) -> None:
    if not difference <= parity.TOLERANCE_FP32:  # NaN is refused too
        raise BundleError(
            f"the ONNX graph differs from PyTorch by {difference:.2g} logits (accepted: {parity.TOLERANCE_FP32}); "
            "this architecture cannot be exported"
        )


def _cpu() -> str:
    """The processor and its integer instructions: without VNNI, products of int8 may saturate and the bounds differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", "").split()
    known = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if flag in flags]
    return " ".join([facts.get("model name", platform.machine()), *known])
