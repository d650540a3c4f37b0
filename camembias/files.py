"""Whole files or none: everything this project writes under a final name goes through here."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from camembias.errors import StoreBusy, StoreError

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run the command again",
    errno.EFBIG: "no file may grow that large here (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EDQUOT: "the disk quota is used up",
}

_TEMPORARY = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success fsync it and rename it over `path`, else remove it.

    The temporary name never ends like a finished file, so a glob cannot pick up half a part.
    Raises StoreError when the disk is full or read-only; nothing is left behind then.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as err:
        raise readable(err, path) from err
    finally:
        temporary.unlink(missing_ok=True)


def readable(err: OSError, path: Path) -> Exception:
    """The error in words of the user's, where they can mend it."""
    if err.errno not in _REMEDIES:
        return err
    kind = StoreBusy if err.errno in _TEMPORARY else StoreError
    return kind(f"cannot write '{path}': {_REMEDIES[err.errno]}")


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
