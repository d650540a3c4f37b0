"""Makes the ONNX graphs. The only module that knows optimum, so that it can be replaced."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from pathlib import Path

from camembias.bundle import Layout
from camembias.checkpoint import known_architecture
from export.first_token import keep_first_token

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
