"""checkpoint → fp32 ONNX → int8 ONNX → parity → manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from camembias import bundle
from camembias.bundle import Bundle, Layout
from camembias.errors import BundleError
from camembias.files import replacing
from camembias.reference import torch_logits
from camembias.scoring import Scorer
from camembias.settings import cpu_count
from camembias.text import normalise
from export import graph, parity


def export(root: Path, texts: list[str]) -> Bundle:
    """Add both graphs and their parity on `texts` to the bundle at `root`.

    Raises BundleError when the fp32 graph is not the model within tolerance; the manifest is then not rewritten, so
    loading refuses graphs that an earlier export had described and this one replaced.
    """
    layout = Layout(root)
    manifest = bundle.read_manifest(layout)
    if bundle.model_version(layout, Bundle(layout, manifest).labels) != manifest.model_version:
        raise BundleError(f"the weights of '{root}' are not those its manifest describes; train the model again")
    with replacing(layout.onnx) as fp32:
        graph.export_fp32(layout, fp32)
    with replacing(layout.onnx_int8) as int8:
        graph.quantise_int8(layout.onnx, int8)
    found, bound = measure(Bundle(layout, manifest), texts)
    if found["fp32"]["max_abs_logit"] > parity.TOLERANCE_FP32:
        raise BundleError(
            f"the ONNX graph of '{root}' differs from PyTorch by {found['fp32']['max_abs_logit']:.2g} logits "
            f"(accepted: {parity.TOLERANCE_FP32}); this architecture cannot be exported"
        )
    manifest = replace(manifest, parity=found, rescore_margin=bound, exported_from=manifest.model_version)
    manifest = replace(manifest, serving_version=bundle.serving_version(layout, manifest))
    return bundle.seal(layout, manifest)


def measure(bundle: Bundle, texts: list[str]) -> tuple[dict[str, Any], float]:
    """Parity of both graphs on `texts`, and the margin in logits under which int8 is scored again."""
    layout, length, threads = bundle.layout, bundle.manifest.max_length, cpu_count()
    texts = [text for text in map(normalise, texts) if text]
    reference = torch_logits(bundle, texts)
    fp32 = Scorer.open(layout, layout.onnx, length, threads).logits(texts)
    int8 = Scorer.open(layout, layout.onnx_int8, length, threads).logits(texts)
    bound = parity.rescore_margin(fp32, int8)
    found = {
        "fp32": parity.compare(reference, fp32, bundle.manifest.labels),
        "int8": parity.compare(reference, int8, bundle.manifest.labels),
        "rescored_share": parity.rescored_share(int8, bound),
    }
    return found, bound
