"""Values of DuckDB that polars, Python or a file format have no place for."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from camembias import catalog, sqlfiles
from camembias import store as stores
from camembias.cli import app
from camembias.errors import InputError, QueryError
from camembias.schemas import TABLES
from camembias.store import Store

AS_TEXT = {
    "INTERVAL 1 DAY": "1 day",
    "union_value(a := 1)": "1",
    "'101'::BIT": "101",
    "[INTERVAL 1 DAY]": "[1 day]",
    "['ab'::BLOB]": "[ab]",
    "DATE 'infinity'": "infinity",
    "TIMESTAMPTZ '-infinity'": "-infinity",
    "DATE '0044-03-15 (BC)'": "0044-03-15 (BC)",
    "TIMESTAMP_S '290000-01-01'": "290000-01-01 00:00:00",
    "[DATE '2026-01-02', 'infinity']": "[2026-01-02, infinity]",
    "{'a': DATE 'infinity'}": "{'a': infinity}",
    "MAP {'a': DATE 'infinity'}": "{a=infinity}",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = stores.create(tmp_path_factory.mktemp("made") / "store")
    catalog.refresh(store)
    return store


def said(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.parametrize("value", AS_TEXT)
def test_what_has_no_like_is_text(made: Store, value: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = catalog.run_sql(made, f'SELECT {value} AS "a""b", 1 AS n, NULL AS "a""b"')
    assert found.row(0) == (AS_TEXT[value], 1, None)
    assert capfd.readouterr() == ("", "")


def test_what_has_one_stays_as_it_is(made: Store) -> None:
    values = "DATE '9999-12-31' AS last, DATE '0001-01-01' AS first, 'ab'::BLOB AS bytes, [DATE '2026-01-02'] AS list"
    found = catalog.run_sql(made, f"SELECT {values}, MAP {{'a': 1}} AS map")
    assert found.row(0) == (date(9999, 12, 31), date(1, 1, 1), b"ab", [date(2026, 1, 2)], {"a": 1})


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet"])
def test_each_value_is_answered_in_each_format(made: Store, tmp_path: Path, form: str) -> None:
    values = [*AS_TEXT, "'\\x00\\xFFab'::BLOB", "MAP {'a': 1}", "1::BIGNUM", "'10:00:00+02'::TIMETZ", "'POINT(1 2)'"]
    for value in values:
        out = () if form == "table" else ("--out", tmp_path / "a")
        done = said("sql", f"SELECT {value} AS a", "--store", made.root, "--format", form, *out)
        assert done.exit_code == 0, (value, done.exception)


def test_bytes_are_hexadecimal_in_text(made: Store, tmp_path: Path) -> None:
    asked = ("sql", "SELECT '\\x00\\xFFab'::BLOB AS a", "--store", made.root, "--out", tmp_path / "a")
    assert said(*asked, "--format", "csv").exit_code == 0
    assert (tmp_path / "a").read_text() == "a\n00ff6162\n"
    assert said(*asked, "--format", "json").exit_code == 0
    assert json.loads((tmp_path / "a").read_text()) == [{"a": "00ff6162"}]
    assert said(*asked, "--format", "parquet").exit_code == 0
    assert pl.read_parquet(tmp_path / "a").item() == b"\x00\xffab"


@pytest.mark.parametrize(("top", "why"), [("-1", "cannot be negative"), ("abc", "Could not convert")])
def test_a_value_that_a_query_cannot_use_is_named(made: Store, top: str, why: str) -> None:
    query = sqlfiles.query("decisive_words")
    with pytest.raises(QueryError, match=f"'decisive_words' cannot use top={top} .*{why}.* query decisive_words --ex"):
        catalog.run_query(made, query, {"top": top})


def test_a_view_that_is_not_there_is_no_fault_of_a_value(made: Store) -> None:
    query = sqlfiles.parse(sqlfiles.query("decisive_words").sql.replace("FROM current_word_pushes", "FROM gone"))
    with pytest.raises(QueryError, match="another version of camembias; run: camembias refresh"):
        catalog.run_query(made, query, {"top": "1"})


def test_the_ending_of_a_file_says_its_format(made: Store, tmp_path: Path) -> None:
    asked = ("sql", "SELECT 'é' AS a", "--store", made.root, "--out")
    assert said(*asked, tmp_path / "a.JSON").exit_code == 0
    assert json.loads((tmp_path / "a.JSON").read_text()) == [{"a": "é"}]
    assert said(*asked, tmp_path / "a.parquet").exit_code == 0
    assert pl.read_parquet(tmp_path / "a.parquet").item() == "é"
    assert said(*asked, tmp_path / "a.csv").exit_code == 0
    assert (tmp_path / "a.csv").read_text() == "a\né\n"
    for wrong, told in (((tmp_path / "a.xlsx",), "end it in .csv"), ((tmp_path / "a", "--format", "table"), "screen")):
        done = said(*asked, *wrong)
        assert isinstance(done.exception, InputError)
        assert told in str(done.exception)
    assert not (tmp_path / "a.xlsx").exists()


def test_a_label_that_no_model_has_is_no_empty_answer(made: Store, tmp_path: Path) -> None:
    there = stores.open_existing(Path(shutil.copytree(made.root, tmp_path / "store")))
    asked = ("query", "words_up", "--store", there.root, "--param")
    assert said(*asked, "label=Avion").exit_code == 0  # no model is known yet
    row = {"model_version": "m", "serving_version": "v", "labels": ["avion", "viande"]}
    there.write("models", "v", pl.DataFrame([row], schema=TABLES["models"]))
    assert said(*asked, "label=avion").exit_code == 0
    wrong = said(*asked, "label=Avion").exception
    assert str(wrong) == "--param label=Avion: no model of this store has that label; there are: avion, viande"
    twice = said(*asked, "top=1", "--param", "top=2").exception
    assert str(twice) == "--param 'top=2': 'top' is given twice; give one value"


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT nothing FROM tweets"])
def test_an_error_in_sql_is_one_line_without_a_drawing(made: Store, statement: str) -> None:
    with pytest.raises(QueryError) as told:
        catalog.run_sql(made, statement)
    assert "LINE" not in str(told.value)
    assert "^" not in str(told.value)
