"""Whole files or none: everything this project writes under a final name goes through here."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from camembias.errors import InputError, StoreBusy, StoreError

REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run the command again",
    errno.EFBIG: "no file may grow that large here (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EDQUOT: "the disk quota is used up",
    errno.EISDIR: "a folder or a device is there; name a file",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.EEXIST: "a part of its path is no folder",
}

_TEMPORARY = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success fsync it and rename it over `path`, else remove it.

    The temporary name never ends like a finished file, so a glob cannot pick up half a part.
    Raises StoreError when `path` cannot be written, StoreBusy when the disk is full; nothing is left behind then.
    """
    make_folder(path.parent)
    _refuse_no_file(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # of a process that was killed, and had this number
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as err:
        raise readable(err, path) from err
    finally:
        with suppress(PermissionError):  # then it was never made: the error that ended the block is the one to show
            temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make it, and what it lies in, where it is not there. Raises StoreError when it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise readable(err, path) from err


def _refuse_no_file(path: Path) -> None:
    """A folder stays what it is, and so does a device such as /dev/null, which a file would replace."""
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as err:
        raise readable(err, path) from err


def readable(err: OSError, path: Path) -> Exception:
    """The error in words of the user's, where they can mend it."""
    if err.errno not in REMEDIES:
        return err
    kind = StoreBusy if err.errno in _TEMPORARY else StoreError
    return kind(f"cannot write '{path}': {REMEDIES[err.errno]}")


def write_bytes(path: Path, body: bytes | memoryview) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(body)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def delimiter(header: str) -> str:
    """Of a CSV, by its first line: a French spreadsheet writes semicolons."""
    return max(",;\t", key=header.count)


def known_encoding(name: str | None) -> str | None:
    """`name`, which a person gave. Raises InputError when Python knows no such encoding of text."""
    try:
        if name is not None:
            "".encode(name)  # some codecs are of bytes
    except (LookupError, ValueError) as err:
        raise InputError(f"--encoding '{name}' is unknown; common ones: utf-8, cp1252, latin-1, utf-16") from err
    return name


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
