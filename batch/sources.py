"""Where tweets come from: which files an input names, and what makes a source the same source another day."""

from __future__ import annotations

import glob
import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

from camembias.columns import alternatives
from camembias.errors import InputError

STDIN = Path("-")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
_EDGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file or standard input. Columns are guessed where they are not named; `text_column` may be a chain `a,b`: the
    first that is not empty is the text. `encoding` is of a text file; None is UTF-8, or UTF-16 where its first bytes
    say so.
    """

    path: Path
    text_column: str | None = None
    id_column: str | None = None
    author_column: str | None = None
    time_column: str | None = None
    encoding: str | None = None

    @property
    def name(self) -> str:
        return "stdin" if self.path == STDIN else self.path.name

    @property
    def text_columns(self) -> tuple[str, ...]:
        return alternatives(self.text_column or "")

    @property
    def kind(self) -> str:
        """The suffix that says what the file holds, `.gz` set aside. Standard input is NDJSON."""
        if self.path == STDIN:
            return ".ndjson"
        return next((suffix for suffix in reversed(_suffixes(self.path)) if suffix != ".gz"), ".csv")

    @property
    def gzipped(self) -> bool:
        return _suffixes(self.path)[-1:] == [".gz"]

    @property
    def identity(self) -> str:
        """Size and both ends of the file: the same content under another name is the same source, and a file
        that has grown is a new one (its old tweets are known by id and text). Standard input is new each time.
        Raises InputError when the file cannot be read."""
        if self.path == STDIN:
            return f"stdin-{uuid.uuid4().hex[:10]}"
        try:
            size = self.path.stat().st_size
            more = (self.author_column, self.time_column, self.encoding)
            read_as = [self.text_column or "text", self.id_column, *(more if any(more) else ())]
            digest = hashlib.sha256("\0".join(map(str, [size, *read_as])).encode())
            with self.path.open("rb") as handle:
                digest.update(handle.read(_EDGE_BYTES))
                handle.seek(max(0, size - _EDGE_BYTES))
                digest.update(handle.read(_EDGE_BYTES))
        except OSError as err:
            raise InputError(f"'{self.path}' cannot be read: {err.strerror}") from err
        return digest.hexdigest()[:16]


def _suffixes(path: Path) -> list[str]:
    return [suffix.lower() for suffix in path.suffixes]


def expand(inputs: list[Path]) -> list[Path]:
    """Files as given, folders as the tables in them at any depth, patterns as what they match; each file once.

    Raises InputError for a folder or a pattern that gives nothing.
    """
    found: dict[Path, None] = {}
    for path in inputs:
        if path == STDIN or _is_file(path):
            files = [path]
        elif path.is_dir():
            files = tables_in(path)
        else:
            files = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - may be absolute
            files = [file for file in files if _is_file(file)] or [path]  # a missing file is told when it is read
        if not files:
            raise InputError(f"'{path}' holds no table of tweets; accepted: {' '.join(SUFFIXES)}, text also as .gz")
        found.update(dict.fromkeys(files))
    if not found:
        raise InputError("no input files; give files, folders, patterns, or - for NDJSON on standard input")
    return list(found)


def tables_in(folder: Path) -> list[Path]:
    """The files below a folder whose suffix says that they are tables, in a stable order; hidden ones are not.

    A folder that may not be listed is passed over. A file that may not be looked at is not: reading it tells why.
    """
    return [
        path
        for path in sorted(folder.rglob("*"))
        if Source(path).kind in SUFFIXES
        and path.suffix
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and _is_file(path)
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # as far as we may know
