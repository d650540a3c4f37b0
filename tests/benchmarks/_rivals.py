"""The other ways to classify tweets on a CPU, for `bulk.py`. Each is a function from texts to label ids."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from camembias.bundle import Bundle
from camembias.scoring import Scorer, token_batches
from export import graph

Ids = np.ndarray  # label of each text
Way = Callable[[list[str]], Ids]
BATCH = 32


class NotInstalled(Exception):  # noqa: N818 - a state, not a fault
    pass


def hugging_face(made: Bundle) -> Way:
    """What the documentation shows: a pipeline in PyTorch, batches of 32 in order of arrival."""
    return _pipeline(made, AutoModelForSequenceClassification.from_pretrained(made.layout.checkpoint).eval())


def optimum(made: Bundle, plain: Path, file: str) -> Way:
    """The same pipeline on ONNX Runtime, through optimum's own class."""
    from optimum.onnxruntime import ORTModelForSequenceClassification

    return _pipeline(made, ORTModelForSequenceClassification.from_pretrained(plain, file_name=file))


def _pipeline(made: Bundle, model: Any) -> Way:
    tokenizer = AutoTokenizer.from_pretrained(made.layout.checkpoint)
    run = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", batch_size=BATCH)
    options = {"truncation": True, "max_length": made.manifest.max_length}

    def classify(texts: list[str]) -> Ids:
        with torch.inference_mode():
            found = run(texts, **options)
        return np.array([made.manifest.labels.index(row["label"]) for row in found])

    return classify


def plain_graphs(made: Bundle, folder: Path) -> Path:
    """fp32 and dynamic int8 as optimum makes them, without anything of ours, with config and tokenizer beside.

    int8 the kind way: the head stays fp32, and 7 bits, without which sums saturate on CPUs without VNNI.
    """
    from optimum.exporters.onnx import main_export
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    main_export(str(made.layout.checkpoint), folder, task="text-classification", opset=graph.OPSET, do_validation=False)
    settings = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
    settings.operators_to_quantize = ["MatMul"]
    settings.reduce_range = True
    nodes = onnx.load(str(folder / "model.onnx"), load_external_data=False).graph.node
    settings.nodes_to_exclude = [node.name for node in nodes if "classifier" in node.name]
    quantizer = ORTQuantizer.from_pretrained(folder, file_name="model.onnx")
    quantizer.quantize(save_dir=folder, quantization_config=settings, file_suffix="int8")
    return folder


def feeds(scorer: Scorer, texts: list[str]) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
    """Rows and padded arrays of the batches that our own path makes."""
    rows = [encoding.ids for encoding in scorer.tokenizer.encode_batch_fast(texts)]
    for batch in token_batches([len(ids) for ids in rows]):
        ids = np.full((len(batch), len(rows[batch[0]])), scorer.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for line, row in enumerate(batch):
            ids[line, : len(rows[row])] = rows[row]
            mask[line, : len(rows[row])] = 1
        yield batch, {"input_ids": ids, "attention_mask": mask}


def openvino(plain: Path, scorer: Scorer, streams: int, precision: str) -> Way:
    """OpenVINO on our batches, as many streams as CPUs. Raises NotInstalled."""
    ov = _openvino()
    return _streams(
        ov, ov.Core().read_model(plain / "model.onnx"), scorer, streams, {"INFERENCE_PRECISION_HINT": precision}
    )


def nncf_int8(plain: Path, scorer: Scorer, streams: int, calibration: list[str]) -> Way:
    """OpenVINO on a graph that NNCF made int8, SmoothQuant included. Raises NotInstalled."""
    ov = _openvino()
    try:
        import nncf
    except ImportError as err:
        raise NotInstalled("nncf") from err
    samples = [feed for _, feed in feeds(scorer, calibration)]
    model = nncf.quantize(
        ov.Core().read_model(plain / "model.onnx"),
        nncf.Dataset(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(samples),
    )
    return _streams(ov, model, scorer, streams, {})


def _openvino() -> Any:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it would call home; without it nothing does
    try:
        import openvino
    except ImportError as err:
        raise NotInstalled("openvino") from err
    return openvino


def _streams(ov: Any, model: Any, scorer: Scorer, streams: int, options: dict[str, Any]) -> Way:
    settings = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams, "PERFORMANCE_HINT": "THROUGHPUT", **options}
    compiled = ov.Core().compile_model(model, "CPU", settings)

    def classify(texts: list[str]) -> Ids:
        found = np.zeros(len(texts), dtype=np.int64)
        queue = ov.AsyncInferQueue(compiled, streams)

        def keep(request: Any, batch: list[int]) -> None:
            found[batch] = request.get_output_tensor(0).data.argmax(axis=1)

        queue.set_callback(keep)
        for batch, feed in feeds(scorer, texts):
            queue.start_async(feed, batch)
        queue.wait_all()
        return found

    return classify
