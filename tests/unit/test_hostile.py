"""What hostile texts become in CSV and on a terminal; `tests/browser` shows the same of the report."""

import csv
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from camembias import catalog, store
from camembias.schemas import TABLES
from camembias.store import Store

FORMULAS = ("=cmd|'/C calc'!A0", "+1+1", "-2+3", '@SUM(1)*cmd|"/C calc"!A0', "\t=1+1", "\r=1+1")
TEXTS = (
    *FORMULAS,
    "<script>alert(1)</script>",
    "\x1b[31mrouge\x1b[0m",
    "\x1b]0;titre\x07",
    "\u202etac\u202c",
    "un\u00a0mot !",
)
QUESTION = "SELECT raw FROM rejects ORDER BY line"
MAIN = "from camembias.cli import main; main()"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Refused rows are kept as they came: nothing has normalised them."""
    made = store.create(tmp_path_factory.mktemp("hostile") / "store")
    rows = [{"source": "s", "line": at, "reason": "x", "raw": text, "run_id": "r"} for at, text in enumerate(TEXTS)]
    made.write("rejects", "p", pl.DataFrame(rows, schema=TABLES["rejects"]))
    catalog.refresh(made)
    return made


def arguments(shelf: Store, *more: str) -> list[str]:
    return [sys.executable, "-c", MAIN, "sql", QUESTION, "--store", str(shelf.root), *more]


def test_a_spreadsheet_finds_no_formula_in_a_csv(shelf: Store, tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    subprocess.run(arguments(shelf, "--format", "csv", "--out", str(target)), check=True)
    with target.open(encoding="utf-8", newline="") as handle:
        found = [row[0] for row in csv.reader(handle)][1:]
    assert found == ["'" + text if text in FORMULAS else text for text in TEXTS]
    assert not [cell for cell in found if cell[0] in "=+-@\t\r"]


@pytest.mark.parametrize("kind", ["table", "csv", "json"])
def test_a_terminal_is_told_nothing_by_a_text(shelf: Store, kind: str) -> None:
    """On a real terminal; the commands of the table's own colours are left out of the count by NO_COLOR and TERM."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        arguments(shelf, "--format", kind), stdout=theirs, stderr=theirs, stdin=theirs,
        env={**os.environ, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(theirs)
    said = io.BytesIO()
    while chunk := _read(ours):
        said.write(chunk)
    os.close(ours)
    assert process.wait() == 0
    shown = said.getvalue().decode()
    assert "rouge" in shown
    assert not set(shown) & set("\x1b\x07\u202e\u202c")


def test_a_program_is_given_what_is_stored(shelf: Store) -> None:
    done = subprocess.run(arguments(shelf, "--format", "json"), capture_output=True, text=True, check=True)
    assert pl.read_json(io.StringIO(done.stdout))["raw"].to_list() == list(TEXTS)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other end is closed: Linux says so with an error
        return b""
