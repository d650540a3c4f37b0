"""What hostile texts become in CSV and on a terminal; `tests/browser` shows the same of the report."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
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
TRAIN = [sys.executable, "-c", MAIN, "train"]
OBEYED = set("\x1b\x07\x9b\u202e\u202c")  # of TEXTS and the tables below


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


def test_a_list_is_whole_in_a_csv(shelf: Store) -> None:
    lists = "range(30) AS many, [{'a': 1, 'b': 'é\"'}, NULL] AS said, [][1:] AS nothing"
    sql = f"SELECT {lists}, {{'at': DATE '2026-01-02'}} AS one, CAST(NULL AS INT[]) AS missing"
    command = [sys.executable, "-c", MAIN, "sql", sql, "--store", str(shelf.root), "--format", "csv"]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    missing = row.pop("missing")
    assert {name: json.loads(cell) for name, cell in row.items()} == {
        "many": list(range(30)),
        "said": [{"a": 1, "b": 'é"'}, None],
        "nothing": [],
        "one": {"at": "2026-01-02"},
    }
    assert missing == ""
    assert done.stderr == ""


@pytest.mark.parametrize("kind", ["table", "csv", "json"])
def test_a_terminal_is_told_nothing_by_a_text(shelf: Store, kind: str) -> None:
    code, shown = on_a_terminal(arguments(shelf, "--format", kind))
    assert code == 0
    assert "rouge" in shown
    assert not set(shown) & OBEYED


def test_a_terminal_is_told_nothing_by_a_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("tweet_id,te\x1b[2Jxt\x9b,label\n1,le train,viande\n", encoding="utf-8")
    code, shown = on_a_terminal([*TRAIN, str(path), "--out", str(tmp_path / "m")])
    assert (code, "it has: tweet_id, te\ufffd[2Jxt\ufffd, label" in shown) == (2, True), shown
    assert not set(shown) & OBEYED


def test_a_terminal_is_told_nothing_by_ids_columns_and_labels(tmp_path: Path) -> None:
    path, column = tmp_path / "t.csv", "th\x1b[2Jème"
    rows = [f"\x1b]0;{at}\x07,le numéro {at} est {label},{label}\x1b[31m" for at, label in enumerate("abcdef" * 4)]
    path.write_text("\n".join([f"tweet_id,text,{column}", *rows, "x\x1b[1m,,vide"]), encoding="utf-8")
    told = ("--base-model", str(tmp_path), "--label-column", column, "--out", str(tmp_path / "m"))
    code, shown = on_a_terminal([*TRAIN, str(path), *told])
    assert code == 2, shown  # no model there
    for said in ("label 'th\ufffd[2Jème'", "no text (x\ufffd[1m", "a\ufffd[31m"):
        assert said in shown
    assert not set(shown) & OBEYED


def on_a_terminal(command: Sequence[str]) -> tuple[int, str]:
    """Exit code, and what a real terminal gets; no colours of our own: NO_COLOR and TERM say so."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdout=theirs, stderr=theirs, stdin=theirs,
        env={**os.environ, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "120"},
    )  # fmt: skip
    os.close(theirs)
    said = io.BytesIO()
    while chunk := _read(ours):
        said.write(chunk)
    os.close(ours)
    return process.wait(), said.getvalue().decode()


def test_a_program_is_given_what_is_stored(shelf: Store) -> None:
    done = subprocess.run(arguments(shelf, "--format", "json"), capture_output=True, text=True, check=True)
    assert pl.read_json(io.StringIO(done.stdout))["raw"].to_list() == list(TEXTS)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other end is closed: Linux says so with an error
        return b""
