"""Settings from the environment, read once at the edge (command line, worker start) and passed on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

STORE_VARIABLE = "CAMEMBIAS_STORE"
MODEL_VARIABLE = "CAMEMBIAS_MODEL"
BROKER_VARIABLE = "CAMEMBIAS_BROKER_URL"
DEFAULT_BROKER_URL = "redis://localhost:6379/0"


@dataclass(frozen=True, slots=True)
class Settings:
    store: Path
    model: Path
    broker_url: str

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(
            store=Path(os.environ.get(STORE_VARIABLE, "stores/default")),
            model=Path(os.environ.get(MODEL_VARIABLE, "models/default")),
            broker_url=os.environ.get(BROKER_VARIABLE, DEFAULT_BROKER_URL),
        )


def cpu_count() -> int:
    """CPUs this process may really use: affinity and the cgroup quota, not the size of the host."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cpus = min(cpus, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no cgroup v2 here: affinity is all there is to know
    return cpus
