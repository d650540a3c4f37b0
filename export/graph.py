"""Makes the ONNX graphs. The only module that knows optimum, so that it can be replaced."""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from camembias.bundle import Layout
from camembias.checkpoint import known_architecture
from export.first_token import keep_first_token
from export.layers import layer_of

OPSET = 18


def export_fp32(layout: Layout, target: Path) -> bool:
    """The checkpoint as one fp32 graph with free batch and sequence axes. Whether its last layer could be shortened.

    Raises BundleError for an architecture that cannot be exported.
    """
    import onnx
    from optimum.exporters.onnx import main_export

    with tempfile.TemporaryDirectory(prefix="camembias-export-") as folder, _quiet(), known_architecture(layout):
        main_export(
            model_name_or_path=str(layout.checkpoint),
            output=folder,
            task="text-classification",
            opset=OPSET,
            device="cpu",
            do_validation=False,  # parity is measured on real texts by export/parity.py
            local_files_only=True,
            trust_remote_code=False,
        )
        model = onnx.load(str(Path(folder) / "model.onnx"))
    shortened = keep_first_token(model)
    onnx.save(model, str(target))
    return shortened


def quantise_dynamic(fp32: Path, names: Collection[str], target: Path) -> None:
    """Dynamic int8 per channel on the products of the layers in `names`; all else stays fp32."""
    import onnx
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    graph = onnx.load(str(fp32), load_external_data=False).graph
    chosen = [node.name for node in graph.node if node.op_type == "MatMul" and layer_of(node) in names]
    settings = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
    settings.operators_to_quantize = ["MatMul"]
    settings.reduce_range = True  # see export/static_int8.py
    settings.nodes_to_quantize = chosen or [""]  # no name at all would mean every product
    with tempfile.TemporaryDirectory(prefix="camembias-int8-") as folder, _quiet():
        shutil.copyfile(fp32, Path(folder) / "model.onnx")
        quantizer = ORTQuantizer.from_pretrained(folder, file_name="model.onnx")
        quantizer.quantize(save_dir=folder, quantization_config=settings, file_suffix="int8")
        shutil.copyfile(Path(folder) / "model_int8.onnx", target)


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """The exporter prints and warns about its own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
