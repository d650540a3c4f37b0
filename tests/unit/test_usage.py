"""Arguments that no command takes: one line, as for any other mistake, and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from camembias import store
from camembias.bundle import Bundle

MAIN = [sys.executable, "-c", "from camembias.cli import main; main()"]


def said(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MAIN, *arguments], capture_output=True, encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "named", "see"),
    [
        (("nope",), "'nope'", "camembias --help"),
        (("query", "--format", "xml"), "'xml'", "query --help"),
        (("effects", "--tweets", "0"), "'--tweets'", "effects --help"),
        (("sql",), "'statement'", "sql --help"),
        (("forget", "-1"), "-1", "forget --help"),
        (("status", "--nope\x1b[2J\nx"), "--nope", "status --help"),
    ],
)
def test_what_cannot_be_used_is_one_line(arguments: tuple[str, ...], named: str, see: str) -> None:
    done = said(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("camembias: ")
    assert named in done.stderr
    assert done.stderr.endswith(f"{see}\n")
    assert "\x1b[2J" not in done.stderr


@pytest.mark.parametrize("arguments", [("classify", "models/m", ""), ("status", "--store="), ("sql", "")])
def test_an_empty_argument_is_not_the_folder_one_stands_in(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run([*MAIN, *arguments], capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"argument {len(arguments)}, '{arguments[-1]}', is empty" in done.stderr
    assert not list(tmp_path.iterdir())


def test_help_is_help() -> None:
    assert "Example: camembias sql" in said("sql", "--help").stdout
    assert said("--help").returncode == 0
    nothing = said()
    assert (nothing.returncode, nothing.stderr) == (2, "")
    assert "train" in nothing.stdout


def test_what_is_asked_while_the_queue_is_away_is_kept_and_said_to_be(tiny_bundle: Bundle, tmp_path: Path) -> None:
    made = store.create(tmp_path / "store")
    model = ("--model", str(tiny_bundle.layout.root), "--store", str(made.root))
    done = said("explain", *model, "--text", "Vive le train", "--broker-url", "redis://localhost:1/0")
    assert done.returncode == 2
    assert "camembias explain --resume" in done.stderr
    assert made.scan("request_texts").collect()["text"].to_list() == ["Vive le train"]
