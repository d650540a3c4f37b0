"""Settings from the environment, read once at the edge (command line, worker start) and passed on."""

from __future__ import annotations

import ctypes
import os
from collections.abc import MutableMapping
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


def no_telemetry(environment: MutableMapping[str, str]) -> None:
    """Tell libraries not to call home, unless the user has said otherwise. Before they are imported."""
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        environment.setdefault(name, "1")


def cpu_count(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs this process may really use: affinity and the cgroup quota, rounded down, not the size of the host."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return cpus if quota is None else max(1, min(cpus, int(quota)))


def tune_malloc() -> None:
    """Let malloc keep what is freed for the next batch, where the C library can (glibc) and the user has not chosen.

    By default glibc gives each of a process's many threads an arena of its own, up to eight a core, and each keeps what
    its thread once needed: a quarter of the memory of a bulk job (decision 0015). As many as CPUs, at least two, do.
    And it gives the megabytes of each activation back to the system, which clears them for the next one: a tenth of
    the time at camembert-base size (decision 0050).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, option, value in (
        ("MALLOC_ARENA_MAX", -8, max(2, cpu_count())),  # the numbers are those of malloc.h
        ("MALLOC_MMAP_THRESHOLD_", -3, 32 << 20),  # bytes; the most that is accepted
        ("MALLOC_TRIM_THRESHOLD_", -1, 64 << 20),  # bytes an arena
    ):
        if mallopt and name not in os.environ:
            mallopt(option, value)


def _quota(cgroup: Path) -> float | None:
    """CPUs that the container's control group grants; None without a limit. Both versions of the kernel interface."""
    try:
        if (cgroup / "cpu.max").exists():  # version 2: "max 100000" or "150000 100000"
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:  # version 1, in microseconds; -1 means no limit
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # no control group here: affinity is all there is to know
