"""A snapshot answers as its store does, with the store gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from camembias import catalog, sqlfiles, store
from camembias.cli import app
from camembias.errors import InputError, StoreError
from camembias.store import Store

from .conftest import prediction, put, tweet

OBJECTS = """
    SELECT view_name AS name, comment FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal
    ORDER BY name
"""
COLUMNS = """
    SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal
    AND NOT ends_with(table_name, '_parts') ORDER BY ALL
"""


def test_every_query_answers_alike_on_a_snapshot_without_its_store(good_store: Store, tmp_path: Path) -> None:
    target = catalog.snapshot(good_store, tmp_path / "copies" / "one.duckdb")
    assert catalog.failed_checks(good_store) == {}
    asked = {
        name: catalog.run_query(good_store, query, dict.fromkeys(param.name for param in query.params))
        for name, query in sqlfiles.queries().items()
    }
    shutil.rmtree(good_store.root)
    with duckdb.connect(str(target), read_only=True) as connection:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET TimeZone = 'UTC'")
        for name, query in sqlfiles.queries().items():
            values = dict.fromkeys(param.name for param in query.params)
            assert connection.sql(query.sql, params=values or None).pl().equals(asked[name]), name
        for name, sql in sqlfiles.statements("checks"):
            assert connection.execute(sql).fetchall() == [], name
    assert sum(len(frame) for frame in asked.values()) > 20
    assert [path.name for path in target.parent.iterdir()] == ["one.duckdb"]  # no log, no temporary file


def test_facts_and_statistics_are_tables_with_their_comments(good_store: Store, tmp_path: Path) -> None:
    target = catalog.snapshot(good_store, tmp_path / "one.duckdb")
    with catalog.reading(good_store) as there, duckdb.connect(str(target), read_only=True) as here:
        there_all = [row for row in there.execute(OBJECTS).fetchall() if not row[0].endswith("_parts")]
        assert here.execute(OBJECTS).fetchall() == there_all
        assert here.execute(COLUMNS).fetchall() == there.execute(COLUMNS).fetchall()
        tables = {name for (name,) in here.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert {"tweets", "predictions", "explanations", "draws", "rejects", "word_label_verdict"} <= tables
        assert here.execute("SELECT text FROM tweets WHERE tweet_id = 't1'").fetchone() == ("le train",)
        assert here.execute("SELECT count(*) FROM tweets").fetchone() == (5,)


def test_a_snapshot_has_no_macro_that_needs_parts(good_store: Store, tmp_path: Path) -> None:
    over_rows = "SELECT count(*) FROM duckdb_functions() WHERE function_type = 'table_macro' AND NOT internal"
    with catalog.reading(good_store) as there:
        assert there.execute(over_rows).fetchone() == (2,)
    with duckdb.connect(str(catalog.snapshot(good_store, tmp_path / "one.duckdb")), read_only=True) as here:
        assert here.execute(over_rows).fetchone() == (0,)


def test_a_snapshot_replaces_an_older_one_and_nothing_else(good_store: Store, tmp_path: Path) -> None:
    target, notes = tmp_path / "one.duckdb", tmp_path / "notes.txt"
    catalog.snapshot(good_store, target)
    put(good_store, "tweets", "p9", [tweet("t9", "un mot")])
    put(good_store, "predictions", "p9", [prediction("t9", "avion")])
    catalog.snapshot(good_store, target)
    with duckdb.connect(str(target), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM predictions").fetchone() == (6,)
    notes.write_text("do not replace me")
    for wrong in (notes, good_store.catalog):
        with pytest.raises(InputError, match="no snapshot"):
            catalog.snapshot(good_store, wrong)
    assert notes.read_text() == "do not replace me"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="name a file"):  # and nobody waits for what comes out of it
        catalog.snapshot(good_store, tmp_path / "pipe")


def test_the_command_records_where_the_copy_lies(good_store: Store, tmp_path: Path) -> None:
    target = tmp_path / "one.duckdb"
    done = CliRunner().invoke(app, ["snapshot", str(target), "--store", str(good_store.root)])
    assert done.exit_code == 0, done.output
    [run] = store.open_existing(good_store.root).scan("runs").collect().to_dicts()
    assert (run["kind"], run["status"]) == ("snapshot", "done")
    assert str(target) in run["arguments"]
