"""The last layer for `<s>` only: an exact shortcut in the graph of a BERT-like classifier.

The classification head reads the last layer's state of the first token and no other. That layer therefore needs keys
and values of all tokens, but the query, the attention output and the feed-forward of the first token alone. Of 12
layers that is about 7 % of all multiplications.
"""

from __future__ import annotations

import re

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

_QUERY = re.compile(r"^(?P<layer>.*/layer\.(?P<number>\d+)/)attention/self/query/MatMul$")
_FIRST = {"first_token_start": 0, "first_token_stop": 1, "first_token_of_states": 1, "first_token_of_mask": 2}


def keep_first_token(model: onnx.ModelProto) -> bool:
    """Edit `model` in place where it has the form that is known; whether it had. The logits stay the same.

    Known is: layers named as in BERT, RoBERTa and CamemBERT, an additive mask before the softmax, and a head that reads
    position 0 of the last state and nothing else.
    """
    nodes = list(model.graph.node)
    queries = {int(found["number"]): (found["layer"], node) for node in nodes if (found := _QUERY.match(node.name))}
    if not queries:
        return False
    layer, query = queries[max(queries)]
    by_name, by_output = {node.name: node for node in nodes}, {name: node for node in nodes for name in node.output}
    last, softmax = (
        by_name.get(f"{layer}output/LayerNorm/LayerNormalization"),
        by_name.get(f"{layer}attention/self/Softmax"),
    )
    masking = by_output.get(softmax.input[0]) if softmax else None
    if last is None or masking is None or masking.op_type != "Add" or not _only_first_is_read(model, last.output[0]):
        return False
    outside = [name for name in masking.input if name in by_output and not by_output[name].name.startswith(layer)]
    if len(outside) != 1:
        return False
    states, mask = query.input[0], outside[0]
    for node in nodes:
        if node.name.startswith(layer) and "/key/" not in node.name and "/value/" not in node.name:
            _redirect(node, states, f"{states}_first")
    _redirect(masking, mask, f"{mask}_first")
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array([value], dtype=np.int64), name) for name, value in _FIRST.items()
    )
    for name, axis in ((states, "first_token_of_states"), (mask, "first_token_of_mask")):
        _insert_after(model.graph, by_output[name], _slice(name, axis))
    return True


def _only_first_is_read(model: onnx.ModelProto, states: str) -> bool:
    """Whether all that reads `states`, (tweets, tokens, width), takes position 0 of its second axis."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    readers = [node for node in model.graph.node if states in node.input]
    return bool(readers) and all(
        node.op_type == "Gather"
        and helper.get_node_attr_value(node, "axis") == 1
        and node.input[1] in constants
        and numpy_helper.to_array(constants[node.input[1]]).tolist() == 0
        for node in readers
    )


def _redirect(node: NodeProto, old: str, new: str) -> None:
    for position, name in enumerate(node.input):
        if name == old:
            node.input[position] = new


def _slice(name: str, axis: str) -> NodeProto:
    return helper.make_node(
        "Slice", [name, "first_token_start", "first_token_stop", axis], [f"{name}_first"], f"{name}_first"
    )


def _insert_after(graph: onnx.GraphProto, node: NodeProto, new: NodeProto) -> None:
    place = next(index for index, other in enumerate(graph.node) if other.output == node.output)
    graph.node.insert(place + 1, new)
