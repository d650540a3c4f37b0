"""How many tokens a pass may hold, from the memory that is free and what the model keeps for a backward pass."""

from __future__ import annotations

from pathlib import Path

import torch

from explain_worker.path import Passes

SHARE = 0.25  # of the free memory; the rest is for the weights of a second worker, the store and the system
TRANSIENT = 2.0  # a backward pass holds about as much again as what was kept for it
SMALLEST = 256
LARGEST = {"cpu": 512, "cuda": 65536}  # larger passes are no faster on a CPU, and hold more padding
_PROBE = 64  # tokens


def token_budget(network: torch.nn.Module, streams: int = 1) -> int:
    """Tokens of each of `streams` passes, padding and nodes included. A tweet longer than it still gets a pass."""
    device = next(network.parameters()).device
    most = int(SHARE * free_bytes(device) / (TRANSIENT * bytes_per_token(network) * streams))
    return min(max(most, SMALLEST), LARGEST.get(device.type, LARGEST["cpu"]))


def bytes_per_token(network: torch.nn.Module) -> float:
    """Bytes that autograd keeps a token, counted on one pass; weights, which are there anyway, are left out."""
    weights = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    kept: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    table = network.get_input_embeddings()  # type: ignore[operator]
    ids = torch.full((1, _PROBE), 7, device=table.weight.device)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        logits = Passes(network).logits(table(ids).detach().requires_grad_(), torch.ones_like(ids))
    del logits  # the graph lives until here, so that no address is counted for two tensors
    return sum(kept.values()) / _PROBE


def free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 4 << 30)
    try:  # a container may have less than its host
        limit, used = (int(Path("/sys/fs/cgroup", name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return free
    return min(free, max(limit - used, 0))
