"""`audit.duckdb`: the DuckDB database that people open. Views and macros over the store's parts, and comments.

The only module that connects to DuckDB. It is built privately and renamed over the old one, so a reader never
finds it half-made and never blocks a job (decision 0001).
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl

from camembias import answers, locks, renewal, sqlfiles
from camembias.answers import one_line
from camembias.errors import InputError, QueryError, StoreBusy, StoreError
from camembias.files import REMEDIES, readable, replacing
from camembias.sqlfiles import Query
from camembias.store import Store, outside

STORE_VARIABLE = "camembias_store"
_BATCH_ROWS = 100_000
_ROW_GROUP = 30_720  # a quarter of DuckDB's: tables of some 100,000 rows are read and written by all threads then
_OF_THE_SYSTEM = (duckdb.OperationalError, duckdb.FatalException)  # no room on the disk or in memory: the SQL is well
_WRITER = ("Could not set lock", "WAL does not match", "different configuration")  # signs of one who may write
_SILENT = "SET enable_progress_bar = false"  # DuckDB would draw one on stdout, into what a program reads
_EXPLAIN = re.compile(r"\s*EXPLAIN\b(\s+ANALYZE\b)?(\s*\((?!\s*(?i:SELECT|WITH|FROM)\b)[^()]*\))?", re.IGNORECASE)


def refresh(store: Store) -> Path:
    """Rebuild `audit.duckdb` from the SQL files and publish it. Safe beside readers, jobs and other refreshes.

    Raises StoreError when it cannot be written there, StoreBusy when the disk is full.
    """
    with _building(store), _new_database(store.catalog) as connection:
        _build(connection, store)
    return store.catalog


@contextmanager
def _building(store: Store) -> Iterator[None]:
    """One at a time, because each renews the sums; and not while a tweet is being forgotten."""
    with locks.opened(store.root / "audit.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with store.shared():
            yield


def snapshot(store: Store, target: Path) -> Path:
    """Write a database that needs no part: the same names and comments, with facts and statistics as tables.

    The facts are copied first and the statistics made from the copies, so that they agree. Safe beside readers and
    jobs; what is written meanwhile may be in it or not. Raises InputError for a `target` that is no place for it,
    StoreError when it cannot be written there, StoreBusy when the disk is full.
    """
    if target.resolve() == store.catalog.resolve() or not _may_be_replaced(target):
        raise InputError(f"'{target}' is no snapshot; name a new file, or an older snapshot to replace")
    outside(target)  # as a part of a table it would end every query
    with _building(store), _new_database(target) as connection:
        _build(connection, store, copied=True)
        views = "SELECT view_name FROM duckdb_views() WHERE NOT internal AND ends_with(view_name, '_parts')"
        for (name,) in connection.execute(views).fetchall():
            connection.execute(f'DROP VIEW "{name}"')
        connection.execute("DROP MACRO parts")
        macros = "SELECT function_name FROM duckdb_functions() WHERE NOT internal AND function_type = 'table_macro'"
        for (name,) in connection.execute(macros).fetchall():
            connection.execute(f'DROP MACRO TABLE "{name}"')
    return target


def is_database(head: bytes) -> bool:
    """Of the first bytes of a file, or all of them."""
    return head[8:12] == b"DUCK"


def _may_be_replaced(path: Path) -> bool:
    """Whether it is a database, or nothing is there, or what `replacing` refuses: one would wait for ever at a pipe."""
    try:
        if not path.is_file():
            return True
        with path.open("rb") as handle:
            return is_database(handle.read(12))
    except OSError as err:
        raise readable(err, path) from err


@contextmanager
def _new_database(target: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that takes the place of `target` when the block ends well; else nothing is left of it.

    What a client that may write has logged beside `target` so far goes, too: it does not fit another file, which could
    then not be opened.
    """
    with replacing(target) as temporary:
        _log(temporary).unlink(missing_ok=True)  # of a process that was killed, and had this number
        try:
            with duckdb.connect() as connection:
                connection.execute(f"SET temp_directory = {_quoted(f'{temporary}.tmp')}")
                connection.execute(f"ATTACH {_quoted(str(temporary))} AS audit (ROW_GROUP_SIZE {_ROW_GROUP})")
                connection.execute("USE audit")
                connection.execute("BEGIN")  # else each statement would be written twice, to the log first
                yield connection
                connection.execute("COMMIT")
                connection.execute("CHECKPOINT")  # closing would make one, too, and not tell that the disk is full
        except _OF_THE_SYSTEM as err:
            raise _unwritten(err, target) from err
        finally:
            _log(temporary).unlink(missing_ok=True)
        _log(target).unlink(missing_ok=True)


def _log(database: Path) -> Path:
    return database.with_name(f"{database.name}.wal")


def _unwritten(err: duckdb.Error, target: Path) -> Exception:
    """DuckDB tells in words only what the system answered."""
    for number in REMEDIES:
        if os.strerror(number) in str(err):
            return readable(OSError(number, os.strerror(number)), target)
    return StoreError(f"cannot write '{target}': {one_line(err)}")


def _build(connection: duckdb.DuckDBPyConnection, store: Store, copied: bool = False) -> None:
    connection.execute(_SILENT)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET parquet_metadata_cache = true")  # each view that reads parts looks at all their footers
    default = _quoted(str(store.root.resolve()))
    # The variable lets a moved or mounted store be read: SET VARIABLE camembias_store = '/new/place'
    connection.execute(
        "CREATE MACRO parts(part_table) AS "
        f"coalesce(getvariable('{STORE_VARIABLE}'), {default}) || '/' || part_table || '/*.parquet'"
    )
    for kind in ("schema", "macros", "views"):
        for stem, sql in sqlfiles.statements(kind):
            try:
                connection.execute(sql)
            except _OF_THE_SYSTEM:
                raise
            except duckdb.Error as err:
                raise QueryError(f"sql/{kind}/{stem}.sql does not load: {one_line(err)}") from err
            if copied and kind == "views":
                _copy_facts(connection)
            if stem == renewal.AFTER:
                renewal.renew(lambda sql, **values: _rows(connection, sql, values), store, copied)


def _copy_facts(connection: duckdb.DuckDBPyConnection) -> None:
    """Turn each view that reads parts into a table of the same name, columns and comments."""
    views = (
        "SELECT view_name, comment FROM duckdb_views() "
        "WHERE NOT internal AND NOT ends_with(view_name, '_parts') AND contains(sql, '_parts') ORDER BY view_oid DESC"
    )
    # The last one first: a prediction is written after its tweet, so that the tweets, read later, have it.
    for name, comment in connection.execute(views).fetchall():
        notes = "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = ? AND comment IS NOT NULL"
        columns = connection.execute(notes, [name]).fetchall()
        rows = f'FROM "{name}"'
        if name == "explanation_index":  # the parts may hold more by now than was copied
            rows = renewal.INDEXED.format(rows="SELECT *, CAST(NULL AS VARCHAR) AS part FROM explanations")
        connection.execute(f"CREATE TABLE copied AS {rows}")
        connection.execute(f'DROP VIEW "{name}"')
        connection.execute(f'ALTER TABLE copied RENAME TO "{name}"')
        connection.execute(f'COMMENT ON TABLE "{name}" IS {_quoted(comment)}')
        for column, note in columns:
            connection.execute(f'COMMENT ON COLUMN "{name}"."{column}" IS {_quoted(note)}')
        if name == "explanations":  # what looks at all of them again must see those that were copied
            connection.execute("CREATE OR REPLACE VIEW explanations_parts AS FROM explanations")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def reading(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the published database, pointed at where the store is now."""
    if not store.catalog.exists():
        raise StoreError(f"'{store.root}' has no audit.duckdb; make it with: camembias refresh --store {store.root}")
    with store.shared(), _opened(store.catalog, f"camembias refresh --store {store.root}") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET VARIABLE {STORE_VARIABLE} = {_quoted(str(store.root.resolve()))}")
        yield connection


def _opened(path: Path, remedy: str) -> duckdb.DuckDBPyConnection:
    """To be read alone. Raises StoreBusy while another program may write to it, StoreError when it is damaged."""
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as err:
        if any(sign in str(err) for sign in _WRITER):
            raise StoreBusy(
                f"'{path}' is open for writing in another program; close it there, or open it read-only"
            ) from err
        raise StoreError(f"'{path}' cannot be read ({one_line(err)}); run: {remedy}") from err
    connection.execute(_SILENT)
    return connection


def run_query(store: Store, query: Query, values: Mapping[str, str | None] | None = None) -> pl.DataFrame:
    """Answer a named query. Raises QueryError for a parameter it does not have, or a value it cannot use."""
    given = dict(values or {})
    known = {param.name: param.default for param in query.params}
    for name in given:
        if name not in known:
            accepted = ", ".join(known) or "none"
            raise QueryError(f"query '{query.name}' has no parameter '{name}'; it takes: {accepted}")
    with reading(store) as connection:
        try:
            return _frame(connection, query.sql, {**known, **given})
        except QueryError as err:
            if not isinstance(err.__cause__, duckdb.ProgrammingError | duckdb.DataError):
                raise
            if given and _binds(connection, query.sql, known):
                said = ", ".join(f"{name}={value or ''}" for name, value in given.items())
                what = f"query '{query.name}' cannot use {said} ({err})"
                raise QueryError(f"{what}; its parameters: camembias query {query.name} --explain") from err
            if isinstance(err.__cause__, duckdb.BinderException | duckdb.CatalogException):  # a view is not there
                remedy = f"run: camembias refresh --store {store.root}"
                raise QueryError(f"'{store.catalog}' was built by another version of camembias; {remedy}") from err
            raise


def _binds(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, str | None]) -> bool:
    try:
        return bool(_frame(connection, f"EXPLAIN {sql}", values).height)
    except QueryError:
        return False


def run_sql(store: Store, sql: str) -> pl.DataFrame:
    """Answer free SQL: one SELECT or EXPLAIN, read-only, and no file but the store's own can be touched."""
    with reading(store) as connection:
        try:
            found = connection.extract_statements(sql)
        except duckdb.Error as err:
            raise QueryError(one_line(err)) from err
        if len(found) != 1 or not _only_reads(connection, found[0]):
            raise QueryError("only one SELECT or EXPLAIN statement is accepted; open audit.duckdb in DuckDB for more")
        connection.execute(f"SET allowed_directories = [{_quoted(str(store.root.resolve()))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return _frame(connection, sql, {})


def _only_reads(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    if match := _EXPLAIN.match(statement.query):
        try:  # EXPLAIN ANALYZE runs what it explains: that must be a SELECT too
            explained = connection.extract_statements(statement.query[match.end() :])
        except duckdb.Error:
            return False
        return [one.type for one in explained] == [duckdb.StatementType.SELECT]
    return bool(statement.type == duckdb.StatementType.SELECT)


def failed_checks(store: Store) -> dict[str, int]:
    """Rows returned by each of `sql/checks/` that should return none."""
    with reading(store) as connection:
        rows = {name: len(_frame(connection, sql, {})) for name, sql in sqlfiles.statements("checks")}
    return {name: count for name, count in rows.items() if count}


def tables_of(path: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    """(table, some of its rows), until all rows of all tables of a database were given. Raises QueryError."""
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as err:
        raise QueryError(f"'{path}' is no database that can be read ({one_line(err)})") from err
    with connection:
        connection.execute(_SILENT)
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
        for (name,) in tables:
            for batch in connection.sql(f'FROM "{name}"').to_arrow_reader(_BATCH_ROWS):
                yield name, pl.DataFrame(pl.from_arrow(batch))


def _frame(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, str | None]) -> pl.DataFrame:
    try:
        return answers.frame(connection, connection.sql(sql, params=dict(values) or None))
    except duckdb.Error as err:
        raise QueryError(one_line(err)) from err


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object]) -> pl.DataFrame:
    # A NULL and a string alike are bound, never pasted; the query casts what it needs as a number. A frame is a table.
    tables = {name: value for name, value in values.items() if isinstance(value, pl.DataFrame)}
    for name, table in tables.items():
        connection.register(name, table)
    bound = {name: value for name, value in values.items() if name not in tables}
    frame: pl.DataFrame = connection.sql(sql, params=bound or None).pl()
    for name in tables:
        connection.unregister(name)
    return frame
