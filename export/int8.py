"""int8 products whose codes depend on one token alone: what a tweet is scored with changes nothing.

An activation x is coded in one of three ways. Two of them divide each channel by a number s that goes into the weights
(SmoothQuant, Xiao et al. 2023): x · w = (x / s) · (s w), so that a few wide channels do not spoil the codes of all.
- What a layer norm gives is bounded, so it has a fixed scale for each channel, from texts with `HEADROOM` on top.
- What GELU gives is above -0.17, and has a scale for each token: its largest x / s over the codes above a low zero.
- All else has a scale for each token: its largest |x| ("token-wise", Yao et al. 2022, ZeroQuant).
Weights have one scale for each column: x · w ≈ Σ q_x q_w · scale. Only products with weights of the body are in int8:
attention, embeddings and the head stay fp32 (decisions 0050 and 0053).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from camembias.scoring import SUMS_OUTPUT
from export import layers

Array = npt.NDArray[np.float32]

# CPUs with VNNI or the like add products of bytes in 32 bits. Others add two in 16, which 7-bit weights never fill.
WEIGHT_8_BITS, WEIGHT_7_BITS = 127, 63
HEADROOM = 1.2  # a channel's range over the largest |x| that the texts showed
_LARGEST_ACTIVATION = 127  # either side of a zero at 128: kernels are made for unsigned codes
_SMALLEST = 1e-9  # a token of zeros, and a column of zeros, are divided by this
_GELU_LOWEST, _GELU_ZERO = 0.17, 16  # no GELU is below -0.17, which takes the 16 codes under zero
_GELU_STEPS = 255 - _GELU_ZERO
_GELU_SHARE, _USUAL = 0.8, 0.9  # how much of a wide channel goes into the weights; the quantile that is not wide


@dataclass(frozen=True, slots=True)
class _Coded:
    """An activation's codes: what its products need to know."""

    codes: str
    zero: str
    step: str
    token_scale: str | None  # (tweets, tokens, 1), to be put back after the product
    smoothing: Array  # (in,), to be multiplied into the weights


@dataclass(slots=True)
class _Rewriting:
    weights: dict[str, TensorProto]
    largest_weight: float
    nodes: list[NodeProto] = field(default_factory=list)
    tensors: dict[str, TensorProto] = field(default_factory=dict)
    coded: dict[str, _Coded] = field(default_factory=dict)  # by activation: query, key and value share one

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: int) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], f"{output}_{kind}", **attributes))
        return output

    def constant(self, name: str, value: Any, kind: Any) -> str:
        self.tensors[name] = numpy_helper.from_array(np.array(value, kind), name)
        return name


def quantise(
    source: Path,
    names: Collection[str],
    target: Path,
    ranges: Mapping[str, Array] | None = None,
    largest_weight: float = WEIGHT_8_BITS,
) -> None:
    """Write the fp32 graph `source` to `target` with the products of the layers `names` in int8.

    `ranges` holds the largest |x| of each channel by activation (export/ranges.py); one that is not there has a scale
    for each token.
    """
    model = onnx.load(str(source))
    graph = _Rewriting({tensor.name: tensor for tensor in model.graph.initializer}, largest_weight)
    products = products_of(model, names)
    norms = {node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"}
    gelus = _gelus(model)
    for node in model.graph.node:
        if node.name not in products:
            graph.nodes.append(node)
            continue
        activation = node.input[0]
        if activation not in graph.coded:
            rows = _largest_of_rows(graph, [other for other in products.values() if other.input[0] == activation])
            largest = (ranges or {}).get(activation)
            if largest is not None and activation in norms:
                graph.coded[activation] = _channel_codes(graph, activation, largest, rows)
            elif largest is not None and activation in gelus:
                graph.coded[activation] = _gelu_codes(graph, activation, largest, rows)
            else:
                graph.coded[activation] = _token_codes(graph, activation, len(rows))
        _product(graph, graph.coded[activation], node)
    if products:
        _check_of_sums(graph, model)
    _save(model, graph, target)


def products_of(model: onnx.ModelProto, names: Collection[str]) -> dict[str, NodeProto]:
    """The products of the layers `names` with their weights, by the name of the node."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return {
        node.name: node
        for node in model.graph.node
        if node.op_type == "MatMul" and layers.layer_of(node) in names and node.input[1] in weights
    }


def _save(model: onnx.ModelProto, graph: _Rewriting, target: Path) -> None:
    read = {name for node in graph.nodes for name in node.input}  # DeBERTa's positions go through the weights of keys
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(tensor for name, tensor in graph.weights.items() if name in read)
    model.graph.initializer.extend(graph.tensors.values())
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(target))


def _largest_of_rows(graph: _Rewriting, products: Sequence[NodeProto]) -> Array:
    """The largest |w| that each channel meets in `products`, (in,)."""
    rows = [np.abs(numpy_helper.to_array(graph.weights[node.input[1]])).max(axis=1) for node in products]
    return np.asarray(np.max(rows, axis=0))


def _channel_codes(graph: _Rewriting, activation: str, largest: Array, rows: Array) -> _Coded:
    """A fixed step for each channel: the geometric mean of what suits activations and what suits weights."""
    wide = np.maximum(largest * HEADROOM, _SMALLEST)
    share = np.sqrt(wide / np.maximum(rows, _SMALLEST))
    step = (share * (wide / share).max() / _LARGEST_ACTIVATION).astype(np.float32)
    codes = f"{activation}_int8"
    scaled = graph.node(
        "Mul", [activation, graph.constant(f"{codes}_per_step", 1 / step, np.float32)], f"{codes}_scaled"
    )
    one, zero = graph.constant("int8_one", 1, np.float32), graph.constant("int8_zero", 128, np.uint8)
    return _Coded(graph.node("QuantizeLinear", [scaled, one, zero], codes), zero, one, None, step)


def _gelu_codes(graph: _Rewriting, activation: str, largest: Array, rows: Array) -> _Coded:
    """A step for each token over nearly all codes; channels wider than most are narrowed."""
    share = np.maximum(largest, _SMALLEST) ** _GELU_SHARE / np.maximum(rows, _SMALLEST) ** (1 - _GELU_SHARE)
    smoothing = np.maximum(share / np.quantile(share, _USUAL), 1).astype(np.float32)
    codes = f"{activation}_int8"
    smooth = graph.node(
        "Mul", [activation, graph.constant(f"{codes}_by", 1 / smoothing, np.float32)], f"{codes}_smooth"
    )
    lowest = graph.constant("int8_gelu_lowest", _GELU_LOWEST / _GELU_ZERO * _GELU_STEPS, np.float32)
    return _of_each_token(graph, codes, smooth, smooth, lowest, ("gelu", _GELU_STEPS, _GELU_ZERO), smoothing)


def _token_codes(graph: _Rewriting, activation: str, width: int) -> _Coded:
    """Each token's largest |x| on 127 codes either side of zero."""
    codes = f"{activation}_int8"
    absolute = graph.node("Abs", [activation], f"{codes}_abs")
    smallest = graph.constant("int8_smallest", _SMALLEST, np.float32)
    code = ("token", _LARGEST_ACTIVATION, 128)
    return _of_each_token(graph, codes, activation, absolute, smallest, code, np.ones(width, np.float32))


def _of_each_token(
    graph: _Rewriting, codes: str, x: str, sized: str, least: str, code: tuple[str, int, int], smoothing: Array
) -> _Coded:
    """`x` over each token's largest of `sized`, at least `least`, on the codes of `code`: name, steps and zero."""
    name, steps, zero_at = code
    axis = graph.constant("int8_last_axis", [-1], np.int64)
    step = graph.constant(f"int8_{name}_step", 1 / steps, np.float32)
    zero = graph.constant(f"int8_{name}_zero", zero_at, np.uint8)
    largest = graph.node("ReduceMax", [sized, axis], f"{codes}_largest", keepdims=1)
    scale = graph.node("Max", [largest, least], f"{codes}_max")
    unit = graph.node("Div", [x, scale], f"{codes}_unit")
    return _Coded(graph.node("QuantizeLinear", [unit, step, zero], codes), zero, step, scale, smoothing)


def _product(graph: _Rewriting, x: _Coded, node: NodeProto) -> None:
    """What `node` computed, from codes: the product under its old name, then each token's scale put back."""
    name = f"{node.input[1]}_int8_of_{x.codes}"  # two products may share a weight, but not what it is multiplied by
    if name not in graph.tensors:
        weight = numpy_helper.to_array(graph.weights[node.input[1]]) * x.smoothing[:, None]
        scale = np.maximum(np.abs(weight).max(axis=0) / graph.largest_weight, _SMALLEST).astype(np.float32)
        graph.constant(name, np.rint(weight / scale), np.int8)
        graph.constant(f"{name}_scale", scale, np.float32)
        graph.constant(f"{name}_zero", np.zeros(scale.shape), np.int8)
    output = node.output[0] if x.token_scale is None else f"{node.output[0]}_unit"
    inputs = [x.codes, name, x.step, f"{name}_scale", x.zero, f"{name}_zero"]
    graph.nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [output], node.name, domain="com.microsoft"))
    if x.token_scale is not None:
        graph.node("Mul", [output, x.token_scale], node.output[0])


def _gelus(model: onnx.ModelProto) -> set[str]:
    """Outputs of GELU as PyTorch's exporter spells it: x · (erf(…) + 1) · a constant."""
    made_by = {name: node for node in model.graph.node for name in node.output if node.op_type != "Constant"}

    def makers(node: NodeProto, kind: str) -> list[NodeProto]:
        return [made_by[name] for name in node.input if name in made_by and made_by[name].op_type == kind]

    return {
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Mul" and sum(name in made_by for name in node.input) == 1
        for inner in makers(node, "Mul")
        if any(makers(plus, "Erf") for plus in makers(inner, "Add"))
    }


def _check_of_sums(graph: _Rewriting, model: onnx.ModelProto) -> None:
    """A second output: whether this CPU adds up exactly the largest products that there can be."""
    x = graph.constant("int8_check_x", np.full((4, 64), 255), np.uint8)
    w = graph.constant("int8_check_w", np.full((64, 16), graph.largest_weight), np.int8)
    expected = graph.constant("int8_check_sum", 64 * 255 * int(graph.largest_weight), np.int32)
    graph.node("Equal", [graph.node("MatMulInteger", [x, w], "int8_check"), expected], SUMS_OUTPUT)
    model.graph.output.append(helper.make_tensor_value_info(SUMS_OUTPUT, TensorProto.BOOL, None))
