"""What commands say that run for days: a line for people, or with --log-json one JSON object a line for programs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

VARIABLE = "CAMEMBIAS_LOG_JSON"  # "1": what --log-json says; a worker's child process reads it too


class JsonLines(logging.Formatter):
    """time (UTC), level, logger, message, then the fields of the event. ASCII only: nothing a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        body = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            body["exception"] = self.formatException(record.exc_info)
        return json.dumps(body, default=str)


def to(stream: TextIO, json_: bool) -> None:
    """From here on, what this project logs goes to `stream`, and nowhere else."""
    _only(logging.getLogger("camembias"), stream, json_)


def everything_as_json() -> None:
    """On stderr, whoever says it: Celery, its tasks, and warnings."""
    logging.captureWarnings(True)
    _only(logging.getLogger(), sys.stderr, json_=True)


def event(name: str, message: str, fields: Mapping[str, Any], level: int = logging.INFO) -> None:
    """`message` for people; `fields` are what a program would have to read out of it."""
    logging.getLogger("camembias").log(level, "%s", message, extra={"fields": {"event": name, **fields}})


def are_json() -> bool:
    """Whether `to` was told to write JSON: then nothing else may be on that stream."""
    return any(isinstance(one.formatter, JsonLines) for one in logging.getLogger("camembias").handlers)


def _only(logger: logging.Logger, stream: TextIO, json_: bool) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if json_ else logging.Formatter("%(message)s"))
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
