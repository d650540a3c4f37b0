"""int8 with fixed activation scales: a tweet's logits then depend on its own tokens alone.

Dynamic quantisation takes the scale of an activation from the batch at hand, so that a tweet's logits change with its
neighbours. Here each scale is fixed beforehand from the smallest and largest value seen on calibration texts; weights
have one scale a column. Only products with weights are quantised: attention, embeddings and the head stay fp32.
Values beyond the calibrated range are clipped, which the bounds measured afterwards have to cover.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper

from camembias.bundle import Bundle
from camembias.checkpoint import load_model
from camembias.reference import torch_logits
from export import layers

Ranges = dict[str, tuple[float, float]]  # name of a linear layer → smallest and largest value of its input
# Seven bits: two products of an unsigned and a signed byte then fit the 16 bits in which CPUs without VNNI add them, so
# that the codes give the same sums, and the bounds hold, on every CPU.
_LARGEST_WEIGHT = 63


def input_ranges(bundle: Bundle, texts: list[str], advance: Callable[[int], None] = lambda _: None) -> Ranges:
    """What goes into the linear layers of the PyTorch model's body on normalised `texts`."""
    model, found = load_model(bundle.layout), Ranges()

    def watch(name: str) -> Callable[[torch.nn.Module, Any], None]:
        def see(_: torch.nn.Module, inputs: Any) -> None:
            low, high = found.get(name, (0.0, 0.0))  # zero, which padding holds, must have a code of its own
            found[name] = (min(low, float(inputs[0].min())), max(high, float(inputs[0].max())))

        return see

    for name, module in layers.of_the_body(model).items():
        module.register_forward_pre_hook(watch(name))
    torch_logits(bundle, texts, advance, model)
    return found


def quantise(source: Path, ranges: Ranges, target: Path) -> None:
    """Write the fp32 graph `source` to `target` with the products of the layers in `ranges` in int8."""
    model = onnx.load(str(source))
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[NodeProto] = []
    added: list[TensorProto] = []
    quantised: dict[str, str] = {}  # activation → its codes: query, key and value share one
    coded: set[str] = set()  # weights: two products may share one
    for node in model.graph.node:
        layer = layers.layer_of(node)
        if node.op_type != "MatMul" or layer not in ranges or node.input[1] not in weights:
            nodes.append(node)
            continue
        activation, weight = node.input
        if activation not in quantised:
            quantised[activation] = f"{activation}_int8"
            added += _activation_scale(quantised[activation], *ranges[layer])
            nodes.append(_node("QuantizeLinear", [activation], [quantised[activation]], quantised[activation]))
        if weight not in coded:
            coded.add(weight)
            added += _int8_weight(weights[weight])
        nodes.append(_node("MatMulIntegerToFloat", [quantised[activation], f"{weight}_int8"], node.output, node.name))
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}  # DeBERTa's positions go through the weights of keys
    model.graph.initializer.extend(tensor for name, tensor in weights.items() if name in read or name not in coded)
    model.graph.initializer.extend(added)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(target))


def _node(kind: str, inputs: list[str], outputs: Any, name: str) -> NodeProto:
    """`inputs` are the codes (or what is to be coded); their scales and zero points have names made from theirs."""
    if kind == "QuantizeLinear":
        return helper.make_node(kind, [*inputs, f"{outputs[0]}_scale", f"{outputs[0]}_zero"], outputs, name)
    scales, zeros = [f"{item}_scale" for item in inputs], [f"{item}_zero" for item in inputs]
    return helper.make_node(kind, [*inputs, *scales, *zeros], outputs, name, domain="com.microsoft")


def _activation_scale(name: str, low: float, high: float) -> list[TensorProto]:
    """Scale and zero point that spread unsigned bytes over [low, high], which holds 0."""
    scale = max((high - low) / 255, 1e-9)
    return _scale_and_zero(name, np.array(scale, np.float32), np.array(round(-low / scale), np.uint8))


def _int8_weight(tensor: TensorProto) -> list[TensorProto]:
    """A weight (in, out) as signed bytes, with a scale for each of its columns."""
    weight = numpy_helper.to_array(tensor)
    scale = np.maximum(np.abs(weight).max(axis=0) / _LARGEST_WEIGHT, 1e-9).astype(np.float32)
    codes = np.rint(weight / scale).astype(np.int8)
    name = f"{tensor.name}_int8"
    return [numpy_helper.from_array(codes, name), *_scale_and_zero(name, scale, np.zeros(scale.shape, np.int8))]


def _scale_and_zero(name: str, scale: Any, zero: Any) -> list[TensorProto]:
    return [numpy_helper.from_array(scale, f"{name}_scale"), numpy_helper.from_array(zero, f"{name}_zero")]
