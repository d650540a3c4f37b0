"""Every query's header says what its body does, and every file is listed in the README."""

import re

import pytest

from camembias import catalog, sqlfiles
from camembias.store import Store

FILES = dict(sqlfiles.statements("queries"))


def body(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.startswith("--"))


@pytest.mark.parametrize("stem", FILES)
def test_the_header_tells_the_truth(stem: str, empty_store: Store, good_store: Store) -> None:
    query = sqlfiles.parse(FILES[stem])
    assert query.name == stem
    assert query.question.endswith("?")
    assert set(re.findall(r"\$(\w+)", body(query.sql))) == {param.name for param in query.params}
    for one in (empty_store, good_store):
        assert tuple(catalog.run_query(one, query).columns) == query.columns
    assert catalog.run_query(empty_store, query).is_empty()


@pytest.mark.parametrize("stem", [stem for stem, sql in FILES.items() if "-- param:" in sql])
def test_every_parameter_may_be_null_or_given(stem: str, good_store: Store) -> None:
    query = sqlfiles.parse(FILES[stem])
    names = [param.name for param in query.params]
    assert all(re.search(rf"CAST\(\${name} AS", query.sql) for name in names)
    assert not re.search(r"(?<!CAST\()\$\w", body(query.sql)), "a parameter that is not cast cannot be NULL"
    for value in (None, "2"):
        catalog.run_query(good_store, query, dict.fromkeys(names, value))  # type: ignore[arg-type]


def test_the_readme_lists_every_query_with_its_question() -> None:
    readme = (sqlfiles.sql_folder() / "README.md").read_text(encoding="utf-8")
    for name, query in sqlfiles.queries().items():
        assert f"| `{name}` | {query.question} |" in readme


def test_every_view_is_described(empty_store: Store) -> None:
    views = "SELECT view_name AS name FROM duckdb_views() WHERE NOT internal AND comment IS NULL"
    tables = "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND comment IS NULL"
    assert catalog.run_sql(empty_store, f"{views} UNION ALL {tables}")["name"].to_list() == []
