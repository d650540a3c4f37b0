"""How large each channel of an activation gets, on a few texts: what fixed int8 scales are made from."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from camembias.bundle import Layout
from camembias.scoring import Scorer, token_batches
from export.int8 import products_of

Array = npt.NDArray[np.float32]
EVERY = 16  # of the parity texts, one in 16 is enough for a range; of the odd ones, one in three
EVERY_ODD = 3


def measure(layout: Layout, names: Collection[str], texts: list[str], max_length: int) -> dict[str, Array]:
    """The largest |x| of each channel over `texts`, by activation that the layers `names` read in the fp32 graph."""
    model = onnx.load(str(layout.onnx))
    activations = list(dict.fromkeys(node.input[0] for node in products_of(model, names).values()))
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in activations)
    with tempfile.TemporaryDirectory(prefix="camembias-ranges-") as folder:
        watched = Path(folder) / "model.onnx"
        onnx.save(model, str(watched))
        scorer = Scorer.open(layout, watched, max_length, 1)
    found: dict[str, Array] = {}
    tokens = scorer.encode(texts)
    for batch in token_batches([len(ids) for ids in tokens]):
        feed = scorer.feed([tokens[row] for row in batch])
        for name, values in zip(activations, scorer.session.run(activations, feed), strict=True):
            largest = np.abs(_of_tokens(values, feed["attention_mask"])).max(axis=0)
            found[name] = np.maximum(found.get(name, largest), largest)
    return found


def _of_tokens(values: Array, mask: npt.NDArray[np.int64]) -> Array:
    """The rows that are not padding, (tokens, channels). A shortened layer holds only the first token of each text."""
    if values.ndim == 3 and values.shape[0] == len(mask) and values.shape[1] in (1, mask.shape[1]):
        return np.asarray(values[mask[:, : values.shape[1]] == 1])
    return values.reshape(-1, values.shape[-1])
