"""Which products int8 may have: those with the weights of the body, called alike in PyTorch and in its graph."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import NodeProto


def of_the_body(model: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """The linear layers by name, without the head: what follows the base model, and the pooler within it."""
    base = f"{model.base_model_prefix}."
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith(base) and "pooler" not in name
    }


def layer_of(node: NodeProto) -> str:
    """The layer whose product `node` is, by the name that the exporter gave it."""
    return str(node.name).strip("/").replace("/", ".").removesuffix(".MatMul")


def any_in_int8(graph: Path) -> bool:
    return any(
        node.op_type == "MatMulIntegerToFloat" for node in onnx.load(str(graph), load_external_data=False).graph.node
    )
