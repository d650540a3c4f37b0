"""Which words push a CamemBERT tweet classifier towards which label, and whether they should.

This package is the shared contract (labels, text, bundle, store, catalogue, messages) and the command line.
It knows nothing of training, ONNX export, bulk inference or attribution: those are the four stage folders beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from camembias.notebook import OpenStore

__version__ = "0.1.0"


def open_store(path: str | Path) -> OpenStore:
    """A store to ask from Python or a notebook: `sql()`, `query()`, `explanation()`. Raises StoreError for no store."""
    from camembias.notebook import OpenStore  # here, so that importing camembias loads no polars and no duckdb
    from camembias.store import open_existing

    return OpenStore(open_existing(Path(path)))
