"""The store: append-only Parquet parts, whole or absent, one folder a table.

Truth lives here; `audit.duckdb` only looks at it (decision 0001). A part is written beside its final name,
fsynced and renamed, so a reader at any moment sees whole parts only. Names of parts are derived from the work
they hold: doing the same work again replaces the same file, and doubles nothing. What was forgotten is never written.
This module knows neither SQL nor models.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import secrets
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from camembias import tombstones
from camembias.bundle import Bundle, library_versions
from camembias.errors import InputError, PartMissing, StoreError
from camembias.files import make_folder, write_bytes, write_text
from camembias.locks import alone, shared
from camembias.schemas import TABLES

FORMAT = 1
_EMPTY = "_empty"  # zero rows, so that views exist before data does
_ROW_GROUP = 4096
READ_FOR = timedelta(hours=1)  # a reader may hold the names of parts that others replaced; no query takes longer


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Store:
    root: Path
    salt: str

    @property
    def catalog(self) -> Path:
        return self.root / "audit.duckdb"

    @property
    def attempts(self) -> Path:
        """Attempts at each request batch, kept beside the parts so that a lost broker does not reset them."""
        return self.root / "attempts"

    def shared(self) -> AbstractContextManager[None]:
        """While this is held, no part is replaced or removed under a reader. Jobs may hold it together, and nested."""
        return shared(self.root / "store.json")

    def alone(self) -> AbstractContextManager[None]:
        """While this is held, no job reads or writes parts. Whoever holds it must not call `write`."""
        return alone(self.root / "store.json")

    def upkeep(self) -> AbstractContextManager[None]:
        """Held by commands that rewrite parts, one at a time, for as long as they take."""
        return alone(self.root / "upkeep.lock")

    def part(self, table: str, name: str) -> Path:
        return self.root / table / f"{name}.parquet"

    def has_part(self, table: str, name: str) -> bool:
        return self.part(table, name).exists()

    def part_names(self, table: str) -> list[str]:
        return sorted(path.stem for path in (self.root / table).glob("*.parquet") if path.stem != _EMPTY)

    def stamps(self, table: str) -> dict[str, str]:
        """Of each part, by name, what changes when it does: its size and time."""
        parts = {name: self.part(table, name).stat() for name in self.part_names(table)}
        return {name: f"{now.st_size} {now.st_mtime_ns}" for name, now in parts.items()}

    def write(self, table: str, name: str, rows: pl.DataFrame) -> Path:
        """Write one part, whole or not at all, without rows of forgotten tweets.

        Raises StoreError for a full or read-only disk.
        """
        with self.shared():
            return self.replace(table, name, tombstones.without(self, table, rows))

    def replace(self, table: str, name: str, rows: pl.DataFrame) -> Path:
        """`write` for a caller that holds the store alone."""
        path = self.part(table, name)
        frame = rows.select([pl.col(column).cast(dtype) for column, dtype in TABLES[table].items()])
        body = io.BytesIO()  # Python writes the file: polars would tell a full disk without its error number
        frame.write_parquet(body, compression="zstd", row_group_size=_ROW_GROUP)
        write_bytes(path, body.getbuffer())
        return path

    def read(self, table: str, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        """A column that came after the part is null. Raises PartMissing when there is no such part."""
        try:
            with self.part(table, name).open("rb") as handle:  # one handle: a part replaced meanwhile is no damage
                return pl.read_parquet(handle, columns=columns, schema=TABLES[table], missing_columns="insert")
        except FileNotFoundError:
            raise PartMissing(f"no part '{name}' in '{self.root / table}'; was the store moved or cleaned?") from None

    def scan(self, table: str, names: Iterable[str] | None = None) -> pl.LazyFrame:
        """All parts, or these."""
        parts = None if names is None else [self.part(table, name) for name in (_EMPTY, *names)]
        where = parts or self.root / table / "*.parquet"
        return pl.scan_parquet(where, schema=TABLES[table], missing_columns="insert")

    def damaged(self) -> list[Path]:
        """Parts that are no Parquet files any more: on a full disk, or by another program."""
        parts = sorted(path for table in TABLES for path in (self.root / table).glob("*.parquet"))
        return [path for path in parts if _columns(path) is None and path.exists()]  # else it was removed meanwhile

    def ledger(self, serving_version: str) -> pl.DataFrame:
        """What decides resuming: the units of work whose parts are all written, oldest first."""
        return self.scan("units").filter(pl.col("serving_version") == serving_version).sort("finished_at").collect()

    def hashed(self, value: str) -> str:
        """A salted hash, so that authors can be told apart but not looked up."""
        return hashlib.sha256(f"{self.salt}\0{value}".encode("utf-8", "replace")).hexdigest()[:16]

    def register_model(self, bundle: Bundle) -> None:
        """Copy what the queries need to know of a model, so that a store answers without its bundle."""
        rows = {
            "model_version": [bundle.model_version],
            "serving_version": [bundle.serving_version],
            "name": [bundle.name],
            "labels": [list(bundle.labels.names)],
            "manifest": [bundle.layout.manifest.read_text(encoding="utf-8")],
            "seen_at": [now()],
        }
        self.write("models", bundle.serving_version, pl.DataFrame(rows, schema=TABLES["models"]))
        if not self.has_part("training_words", bundle.model_version):
            words = pl.read_parquet(bundle.layout.training_words)
            words = words.with_columns(pl.lit(bundle.model_version).alias("model_version"))
            self.write("training_words", bundle.model_version, words)


def create(root: Path) -> Store:
    """Open the store at `root`, making it first if there is none. Raises StoreError for a path that cannot be one."""
    _refuse_pattern(root)
    if not (root / "store.json").exists():
        # another job may be making the store at this moment: its files count as none, and it may be done by now
        its = ("store.json", "upkeep.lock")
        foreign = root.is_dir() and any(not path.name.startswith(its) for path in root.iterdir())
        if foreign and not (root / "units").exists() and not (root / "store.json").exists():
            raise StoreError(f"'{root}' is neither empty nor a store; name another folder")
        store = Store(root, secrets.token_hex(16))
        body = {"format": FORMAT, "salt": store.salt, "created_at": now().isoformat()}
        make_folder(root)
        with store.upkeep():  # of two jobs that make a store at once, the first one's salt counts from then on
            if not (root / "store.json").exists():
                write_text(root / "store.json", json.dumps(body, indent=1))
    return open_existing(root)


def _refuse_pattern(root: Path) -> None:
    """DuckDB and polars would look for parts in other folders, or in none."""
    whole = root.resolve()
    if found := re.search(r"[*?[\\]", str(whole)):
        raise StoreError(
            f"no store can lie at '{whole}': its '{found[0]}' makes it a pattern; use a path without *?[\\"
        )


def outside(target: Path) -> Path:
    """`target`, which a person has named to be written. Raises InputError when that is inside a store."""
    for folder in target.resolve().parents:
        with suppress(OSError):  # a folder that may not be entered: writing says so
            if (folder / "store.json").exists():
                raise InputError(f"'{target}' lies inside the store '{folder}', where it may do damage; name another")
    return target


def open_existing(root: Path) -> Store:
    """Raises StoreError when there is no store at `root`, or one of another format, or a path that is a pattern."""
    _refuse_pattern(root)
    path = root / "store.json"
    if not path.exists():
        raise StoreError(f"no store at '{root}'; make one with: camembias classify MODEL INPUT --store {root}")
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["format"] != FORMAT:
            raise StoreError(f"'{root}' has store format {body['format']}; this camembias reads {FORMAT}")
        store = Store(root, body["salt"])
    except (ValueError, KeyError, TypeError) as err:
        raise StoreError(f"'{path}' is damaged ({err}); restore it from a backup") from err
    for table, schema in TABLES.items():  # a store made before a table or a column existed: its views need a part
        if _columns(store.part(table, _EMPTY)) != schema:
            store.write(table, _EMPTY, pl.DataFrame(schema=schema))
    return store


def _columns(part: Path) -> pl.Schema | None:
    """None where there is no part, or a damaged one."""
    try:
        return pl.Schema(pl.read_parquet_schema(part))
    except (FileNotFoundError, pl.exceptions.ComputeError):
        return None


@dataclass(slots=True)
class Run:
    """A job in progress: `counts` is filled by the job, `save` stores it as it stands, `status` is how it ended."""

    run_id: str
    counts: dict[str, int | float]
    status: str = "done"  # the job may set "stopped"
    save: Callable[[], None] = lambda: None


@contextmanager
def running(store: Store, kind: str, arguments: dict[str, Any]) -> Iterator[Run]:
    """Record a job in `runs/`: once when it starts, again (same part) when it ends well or badly."""
    started = now()
    run = Run(f"{started:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}", {})

    def record(status: str, finished: datetime | None) -> None:
        row = {
            "run_id": run.run_id,
            "kind": kind,
            "arguments": json.dumps(arguments, ensure_ascii=False),
            "started_at": started,
            "finished_at": finished,
            "status": status,
            "counts": json.dumps(run.counts),
            "host": platform.node(),
            "versions": json.dumps({"python": sys.version.split()[0], **library_versions()}),
        }
        store.write("runs", run.run_id, pl.DataFrame([row], schema=TABLES["runs"]))

    run.save = lambda: record("running", None)
    run.save()
    try:
        yield run
    except BaseException:
        with suppress(StoreError):  # the disk may be full: the error that ends the job is the one to show
            record("failed", now())
        raise
    record(run.status, now())
