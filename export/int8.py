"""int8 with a scale for each token: a tweet's logits then depend on its own tokens alone, and nothing is calibrated.

Usual dynamic quantisation takes the scale of an activation from the batch at hand, so that a tweet's logits change with
its neighbours; a scale fixed beforehand clips what calibration texts did not show. Here each token of an activation x
is divided by its largest |x| and spread over the codes, and its products are multiplied by it again ("token-wise",
Yao et al. 2022, ZeroQuant); weights w have one scale s a column:
x · w ≈ (q_x · q_w) · s · max|x| / 127, with q_x = round(127 x / max|x|) and q_w = round(w / s).
Only products with weights of the body are quantised: attention, embeddings and the head stay fp32 (decision 0050).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export import layers

# Seven bits: two products of an unsigned and a signed byte then fit the 16 bits in which CPUs without VNNI add them, so
# that the codes give the same sums, and the bounds hold, on every CPU.
_LARGEST_WEIGHT = 63
_LARGEST_ACTIVATION = 127  # either side of a zero at 128: kernels are made for unsigned codes
_SMALLEST = 1e-9  # a token of zeros, and a column of zeros, are divided by this


def quantise(source: Path, names: Collection[str], target: Path) -> None:
    """Write the fp32 graph `source` to `target` with the products of the layers `names` in int8."""
    model = onnx.load(str(source))
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[NodeProto] = []
    added = list(_SHARED)
    codes: dict[str, str] = {}  # activation → its codes: query, key and value share one
    coded: set[str] = set()  # weights: two products may share one
    for node in model.graph.node:
        if node.op_type != "MatMul" or layers.layer_of(node) not in names or node.input[1] not in weights:
            nodes.append(node)
            continue
        activation, weight = node.input
        if activation not in codes:
            codes[activation] = f"{activation}_int8"
            nodes += _token_codes(activation, codes[activation])
        if weight not in coded:
            coded.add(weight)
            added += _column_codes(weights[weight])
        nodes += _product(codes[activation], f"{weight}_int8", node)
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}  # DeBERTa's positions go through the weights of keys
    model.graph.initializer.extend(tensor for name, tensor in weights.items() if name in read or name not in coded)
    model.graph.initializer.extend(added)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(target))


def _token_codes(activation: str, codes: str) -> list[NodeProto]:
    """`codes`, unsigned bytes (tweets, tokens, in), and `codes`_max, each token's largest |x| (tweets, tokens, 1)."""
    absolute, largest, unit = f"{codes}_abs", f"{codes}_largest", f"{codes}_unit"
    return [
        _node("Abs", [activation], absolute),
        _node("ReduceMax", [absolute, "int8_last_axis"], largest, keepdims=1),
        _node("Max", [largest, "int8_smallest"], f"{codes}_max"),
        _node("Div", [activation, f"{codes}_max"], unit),
        _node("QuantizeLinear", [unit, "int8_step", "int8_zero"], codes),
    ]


def _product(activation: str, weight: str, node: NodeProto) -> list[NodeProto]:
    """What `node` computed, from codes: the product under its old name, then each token's scale put back."""
    unit = f"{node.output[0]}_unit"
    inputs = [activation, weight, "int8_step", f"{weight}_scale", "int8_zero", f"{weight}_zero"]
    return [
        helper.make_node("MatMulIntegerToFloat", inputs, [unit], node.name, domain="com.microsoft"),
        _node("Mul", [unit, f"{activation}_max"], node.output[0]),
    ]


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: int) -> NodeProto:
    return helper.make_node(kind, inputs, [output], f"{output}_{kind}", **attributes)


def _column_codes(tensor: TensorProto) -> list[TensorProto]:
    """A weight (in, out) as signed bytes, with a scale for each of its columns."""
    weight = numpy_helper.to_array(tensor)
    scale = np.maximum(np.abs(weight).max(axis=0) / _LARGEST_WEIGHT, _SMALLEST).astype(np.float32)
    codes, name = np.rint(weight / scale).astype(np.int8), f"{tensor.name}_int8"
    return [
        numpy_helper.from_array(codes, name),
        numpy_helper.from_array(scale, f"{name}_scale"),
        numpy_helper.from_array(np.zeros(scale.shape, np.int8), f"{name}_zero"),
    ]


def _constant(name: str, value: Any, kind: Any) -> TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


_SHARED = (
    _constant("int8_last_axis", [-1], np.int64),
    _constant("int8_smallest", _SMALLEST, np.float32),
    _constant("int8_step", 1 / _LARGEST_ACTIVATION, np.float32),
    _constant("int8_zero", 128, np.uint8),
)
