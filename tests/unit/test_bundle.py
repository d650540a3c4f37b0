"""Bundles from elsewhere: no code of theirs is run, and no version of theirs is a path; and a kill leaves a bundle."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from camembias import bundle
from camembias.bundle import Bundle, Layout
from camembias.checkpoint import load_model
from camembias.errors import BundleError
from export.graph import export_fp32


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("open_it", [load_model, lambda layout: export_fp32(layout, layout.root / "model.onnx")])
def test_no_code_of_a_bundle_is_run_whatever_is_typed(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch, open_it
) -> None:
    layout, ran = Layout(tmp_path / "model"), tmp_path / "ran"
    shutil.copytree(tiny_bundle.layout.root, layout.root)
    auto = {"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M"}
    changed(layout.checkpoint / "config.json", model_type="evil", auto_map=auto)
    (layout.checkpoint / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass C: pass\nclass M: pass\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 9))
    with pytest.raises(BundleError, match="no code of a bundle is run") as told:
        open_it(layout)
    assert "\n" not in str(told.value)
    assert sys.stdin.read(2) == "y\n"
    assert not ran.exists()


@pytest.mark.parametrize("name", ["model_version", "serving_version"])
@pytest.mark.parametrize("version", ["../../../escaped", "", "ABCDEF012345", "0123456789ab\n", 123456789012, "0" * 13])
def test_a_version_is_twelve_hex_digits(tiny_bundle: Bundle, tmp_path: Path, name: str, version: object) -> None:
    shutil.copytree(tiny_bundle.layout.root, tmp_path / "model")
    layout = Layout(tmp_path / "model")
    changed(layout.manifest, **{name: version})
    with pytest.raises(BundleError, match=f"has {name} .*expected 12 hex digits"):
        bundle.load(layout.root)


def test_only_a_serving_version_may_be_missing(tiny_bundle: Bundle, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle.layout.root, tmp_path / "model")
    layout = Layout(tmp_path / "model")
    changed(layout.manifest, serving_version=None)
    assert bundle.load(layout.root).manifest.serving_version is None
    changed(layout.manifest, model_version=None)
    with pytest.raises(BundleError, match="has model_version None"):
        bundle.load(layout.root)


REPLACED = """
import os, pathlib, sys
from camembias import bundle
at, target = int(sys.argv[1]), pathlib.Path(sys.argv[2])
calls = []
def deadly(event, _):  # instead of the chosen one of the calls that move or remove something
    if event in ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "ctypes.dlsym") and armed:
        calls.append(event)
        if len(calls) == at:
            os._exit(9)
armed = False
sys.addaudithook(deadly)
with bundle.building(target) as layout:
    (layout.root / "new").touch()
    armed = True
"""


@pytest.mark.parametrize("at", range(1, 7))
def test_killed_at_any_moment_one_whole_bundle_is_there(tmp_path: Path, at: int) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    done = subprocess.run([sys.executable, "-c", REPLACED, str(at), str(target)], check=False)
    assert done.returncode in (0, 9)
    assert names(target) in (["old"], ["new"])


def test_without_an_exchange_the_bundle_is_replaced_by_renaming(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(bundle, "_exchanged", lambda *_: False)
    (tmp_path / "model" / "old").mkdir(parents=True)
    with bundle.building(tmp_path / "model") as layout:
        (layout.root / "new").touch()
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["new"]
