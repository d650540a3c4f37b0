"""What travels through the queue: names and versions, never the text of a tweet."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

EXPLAIN_TASK = "camembias.explain"
HEALTH_TASK = "camembias.health"
QUEUE_HEALTH = "explain.health"
QUEUE_NOW = "explain.now"
QUEUE_SAMPLE = "explain.sample"
MESSAGE_VERSION = 1
_BATCH = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]*")


def queue_of(queue: str, model_version: str) -> str:
    """The queue as the broker knows it: one a model version, so that only its own workers take a request away."""
    return f"{queue}.{model_version}"


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """Explain the tweets of the store's part `requests/{batch}.parquet` with the model of that version."""

    batch: str
    model_version: str
    version: int = MESSAGE_VERSION

    def __post_init__(self) -> None:
        """A batch becomes a file name, and a broker is not to be trusted with paths."""
        if not _BATCH.fullmatch(self.batch):
            raise ValueError(f"batch {self.batch!r}: a name holds letters, digits and '-' only")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> ExplainRequest:
        """Older messages still load; unknown fields of a newer one are ignored, a newer version is refused."""
        version = int(body.get("version", 1))
        if version > MESSAGE_VERSION:
            raise ValueError(f"message version {version} is newer than {MESSAGE_VERSION}: update the worker")
        return cls(batch=str(body["batch"]), model_version=str(body["model_version"]), version=version)
