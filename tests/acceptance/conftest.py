"""A model really trained, and a stream really classified, once for all acceptance tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from camembias import synthetic

ROOT = Path(__file__).parents[2]


def camembias(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, in a process of its own."""
    command = [sys.executable, "-c", "from camembias.cli import main; main()", *map(str, arguments)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CAMEMBIAS_")}
    environment |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    synthetic.tweets(1200, seed=1).write_csv(folder / "labelled.csv")
    target = folder / "models" / "tiny"
    for arguments in (
        ("train", folder / "labelled.csv", "--out", target, "--base-model", "tiny", "--epochs", "6"),
        ("export", target),
    ):
        done = camembias(*arguments)
        assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stream") / "stream.csv"
    synthetic.tweets(12_000, seed=2, planted=False).drop("label").write_csv(path)
    return path
