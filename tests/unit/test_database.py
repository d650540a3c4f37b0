"""`audit.duckdb` in the hands of other programs, and after processes that died."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from camembias import catalog
from camembias import store as stores
from camembias.errors import StoreBusy, StoreError
from camembias.store import Store

WRITES = (
    "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE mine (x INT)'); print(flush=True);"
)


@pytest.fixture
def made(tmp_path: Path) -> Store:
    store = stores.create(tmp_path / "store")
    catalog.refresh(store)
    return store


@contextmanager
def writer(path: Path, then: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another program that has written to a database, and does `then`."""
    program = subprocess.Popen(
        [sys.executable, "-c", WRITES + then, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert program.stdout
    assert program.stdout.readline()
    yield program
    program.kill()
    program.communicate()


def answers(store: Store) -> bool:
    return catalog.run_sql(store, "SELECT count(*) FROM tweets").item() == 0


def test_while_another_program_may_write_reading_is_one_line_and_may_be_tried_again(made: Store) -> None:
    with writer(made.catalog, "input()") as program:
        with pytest.raises(StoreBusy, match="open for writing in another program"):
            catalog.run_sql(made, "SELECT 1")
        assert program.poll() is None


def test_what_a_killed_writer_leaves_is_gone_with_the_next_refresh(made: Store) -> None:
    with writer(made.catalog, "import os; os._exit(1)") as program:
        program.wait()
    log = made.catalog.with_name("audit.duckdb.wal")
    assert log.stat().st_size
    catalog.refresh(made)
    assert answers(made)
    assert not log.exists()


def test_a_writer_that_stays_open_hinders_no_one_after_a_refresh(made: Store) -> None:
    with writer(made.catalog, "input()") as program:
        catalog.refresh(made)
        assert answers(made)
        assert program.poll() is None


def test_a_damaged_database_is_one_line_until_it_is_made_again(made: Store) -> None:
    made.catalog.write_bytes(made.catalog.read_bytes()[:5000])
    with pytest.raises(StoreError, match=r"cannot be read .*; run: camembias refresh --store .*store") as told:
        catalog.run_sql(made, "SELECT 1")
    assert "\n" not in str(told.value)
    catalog.refresh(made)
    assert answers(made)


def test_the_unfinished_database_of_a_killed_process_is_in_nobodys_way(made: Store) -> None:
    """In a container the next one has the same number."""
    temporary = made.catalog.with_name(f"audit.duckdb.{os.getpid()}.tmp")
    with duckdb.connect(str(temporary)) as connection:
        connection.execute("CREATE TABLE explained AS SELECT 1")
    temporary.with_name(f"{temporary.name}.wal").write_bytes(b"of another")
    catalog.refresh(made)
    assert answers(made)
    assert [path.name for path in made.root.glob("audit.duckdb*")] == ["audit.duckdb"]


@pytest.mark.parametrize("command", ["status", "refresh", "forget", "query", "doctor"])
def test_a_damaged_part_is_one_line_and_doctor_names_it(made: Store, command: str) -> None:
    empty = made.part("tweets", "_empty")
    made.part("tweets", "broken").write_bytes(empty.read_bytes()[:-9])
    arguments = {"query": ["store_contents"], "forget": ["1234567890"]}.get(command, [])
    run = [sys.executable, "-c", "from camembias.cli import main; main()", command, *arguments]
    done = subprocess.run([*run, "--store", str(made.root)], capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert done.stderr.startswith("camembias: ")
    assert done.stderr.count("\n") == 1
    assert "broken.parquet" in done.stderr or "doctor" in done.stderr
    assert command != "doctor" or "restore from a backup" in done.stderr


def test_the_empty_part_of_a_table_is_made_again(made: Store) -> None:
    made.part("predictions", "_empty").write_bytes(b"PAR1")
    catalog.refresh(stores.open_existing(made.root))
    assert answers(made)
