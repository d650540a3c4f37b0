"""The model bundle: one folder that holds a model, how it was made and how good it is.

The manifest is written last: its existence means that the bundle is complete. Loading checks every file's
checksum, so a half-copied bundle, or one whose ONNX was taken from another model, is refused by name.
This module knows no torch: it moves files and numbers.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from camembias.errors import BundleError, InputError
from camembias.files import sha256, write_text
from camembias.labels import Labels
from camembias.text import NORMALISER_VERSION

FORMAT = 1
VERSION_LENGTH = 12  # hex digits of a sha256
_VERSION = re.compile(f"[0-9a-f]{{{VERSION_LENGTH}}}")  # it names files of a store
MANIFEST = "manifest.json"
PRETRAINED = "pretraining.json"  # in place of a manifest: what `pretrain` writes last, into a folder that is no bundle
_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "optimum",
    "optimum-onnx",
    "onnxruntime",
    "captum",
    "polars",
    "duckdb",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies inside a bundle."""

    root: Path

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoint"

    @property
    def tokenizer(self) -> Path:
        return self.checkpoint / "tokenizer.json"

    @property
    def onnx(self) -> Path:
        return self.root / "onnx" / "model.onnx"

    @property
    def onnx_int8(self) -> Path:
        return self.root / "onnx" / "model.int8.onnx"

    @property
    def training_words(self) -> Path:
        return self.root / "training_words.parquet"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.json"

    @property
    def confusion_matrix(self) -> Path:
        return self.root / "confusion_matrix.png"

    @property
    def reliability(self) -> Path:
        return self.root / "reliability.png"

    @property
    def model_card(self) -> Path:
        return self.root / "MODEL_CARD.md"

    @property
    def manifest(self) -> Path:
        return self.root / MANIFEST


@dataclass(frozen=True, slots=True)
class Manifest:
    """`manifest.json`. `parity` and `serving_version` are None until the bundle is exported."""

    model_version: str
    labels: tuple[str, ...]
    base_model: str
    max_length: int
    data: dict[str, Any]
    metrics: dict[str, Any]
    base_revision: str | None = None  # the hub's commit, or sha256 of the folder's weights and tokenizer
    normaliser: int = NORMALISER_VERSION
    serving_version: str | None = None
    training_salt: str | None = None  # hex; of the hashes in training_words.parquet
    exported_from: str | None = None  # the model_version whose weights the ONNX files hold
    parity: dict[str, Any] | None = None
    temperature: float = 1.0  # logits are divided by it before they are read as probabilities
    abstain_below: float | None = None  # probability; a tweet whose best label has less is marked as abstained
    rescore_margin: float | None = None  # logits; int8 rows with a smaller margin are scored again in fp32
    rescore_p: float | None = None  # probability; the same for rows this close to `abstain_below`
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Bundle:
    layout: Layout
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.layout.root.name

    @property
    def labels(self) -> Labels:
        return Labels(self.manifest.labels)

    @property
    def model_version(self) -> str:
        return self.manifest.model_version

    @property
    def serving_version(self) -> str:
        """Raises BundleError when the bundle has no ONNX graphs yet."""
        if self.manifest.serving_version is None:
            root = self.layout.root
            raise BundleError(f"'{root}' has no ONNX graphs yet; make them with: camembias export {root}")
        return self.manifest.serving_version


def model_version(layout: Layout, labels: Labels) -> str:
    """sha256 over weights, tokenizer, labels and normaliser version, cut to 12 hex digits."""
    parts = [sha256(layout.checkpoint / name) for name in ("model.safetensors", "tokenizer.json")]
    return digest([*parts, *labels.names, str(NORMALISER_VERSION)])


def serving_version(layout: Layout, manifest: Manifest) -> str:
    """sha256 over the ONNX files and everything that decides a stored label, cut to 12 hex digits."""
    parts = [sha256(path) for path in (layout.onnx, layout.onnx_int8) if path.exists()]
    numbers = (manifest.temperature, manifest.abstain_below, manifest.rescore_margin, manifest.rescore_p)
    return digest([*parts, str(manifest.max_length), *map(repr, numbers)])


def digest(parts: list[str]) -> str:
    """sha256 over all of them, cut to the length of a version."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:VERSION_LENGTH]


def library_versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # another stage's package: not installed is a normal state
    return found


def seal(layout: Layout, manifest: Manifest) -> Bundle:
    """Checksum every file and write the manifest, last."""
    files = {
        str(path.relative_to(layout.root)): sha256(path)
        for path in sorted(layout.root.rglob("*"))
        if path.is_file() and path != layout.manifest and path.suffix != ".tmp"
    }
    manifest = replace(manifest, versions={**manifest.versions, **library_versions()}, files=files)
    write_manifest(layout, manifest)
    return Bundle(layout, manifest)


def write_manifest(layout: Layout, manifest: Manifest) -> None:
    """Publish it as it stands, whole or not at all; `seal` is for a bundle whose files have changed."""
    write_text(layout.manifest, json.dumps(asdict(manifest), ensure_ascii=False, indent=1, allow_nan=False))


def replaceable(target: Path, mark: str = MANIFEST) -> Path:
    """`target` in full, where a new model may be put: what is there will be removed.

    Raises InputError unless that is nothing, an empty folder, or one model that holds `mark`, with no other below it.
    """
    target = target.resolve()
    if target.exists() and not (target.is_dir() and (not any(target.iterdir()) or _one_model(target, mark))):
        raise InputError(
            f"'{target}' is in use: only an empty folder or one older model (one {mark}) is replaced; "
            "name a new folder, or remove what is there"
        )
    return target


def _one_model(folder: Path, mark: str) -> bool:
    return (folder / mark).is_file() and sum(1 for name in (MANIFEST, PRETRAINED) for _ in folder.rglob(name)) == 1


@contextmanager
def building(target: Path) -> Iterator[Layout]:
    """A private folder for a new bundle, put at `target` when the block ends well, removed when it does not.

    An older bundle is exchanged for it in one step, so that a kill leaves one of the two. Where the file system cannot,
    a kill between two renames leaves the older one beside, as `target`.PID.old.tmp: rename it back.
    """
    private = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(private, ignore_errors=True)
    private.mkdir(parents=True)
    try:
        yield Layout(private)
        if not target.exists():
            private.rename(target)
        elif not _exchanged(private, target):
            old = target.with_name(f"{target.name}.{os.getpid()}.old.tmp")
            target.rename(old)
            private.rename(target)
            shutil.rmtree(old)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Swap what two names stand for, at once. False where Linux or the file system has no way to."""
    try:
        swap = ctypes.CDLL(None).renameat2
    except AttributeError:  # another C library
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(swap(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def load(root: Path) -> Bundle:
    """Read and verify a bundle. Raises BundleError naming the first file that is missing or not as it was written."""
    layout = Layout(root)
    if not root.is_dir():
        raise BundleError(f"no model at '{root}'; train one with: camembias train DATA --out {root}")
    manifest = read_manifest(layout)
    for name, checksum in manifest.files.items():
        path = root / name
        if not path.is_file():
            raise BundleError(f"'{path}' is missing from the bundle; copy it again or train again")
        if sha256(path) != checksum:
            raise BundleError(f"'{path}' is not the file the manifest describes; copy the bundle again or export again")
    if manifest.exported_from not in (None, manifest.model_version):
        raise BundleError(
            f"the ONNX graphs of '{root}' were made from model {manifest.exported_from}, its weights are "
            f"{manifest.model_version}; make them again: camembias export {root}"
        )
    return Bundle(layout, manifest)


def read_manifest(layout: Layout) -> Manifest:
    """The manifest alone, its files unverified. Raises BundleError when it is missing or damaged."""
    path = layout.manifest
    if not path.exists():
        raise BundleError(
            f"'{layout.root}' is not a complete model bundle; train one: camembias train DATA --out {layout.root}"
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.get("format") != FORMAT:
            raise BundleError(f"'{path}' has format {raw.get('format')}; this camembias reads format {FORMAT}")
        for name in ("model_version", "serving_version"):
            given = raw.get(name)
            missing = given is None and name == "serving_version"
            if not missing and not (isinstance(given, str) and _VERSION.fullmatch(given)):
                raise BundleError(
                    f"'{path}' has {name} {given!r}; expected {VERSION_LENGTH} hex digits: copy the bundle again"
                )
        return Manifest(**{**raw, "labels": tuple(raw["labels"])})
    except (ValueError, TypeError, KeyError) as err:
        raise BundleError(f"'{path}' is not a manifest of camembias ({err}); train the model again") from err
