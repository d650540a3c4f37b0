"""`open_store` answers as the command line does, and the example notebook runs."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from camembias import open_store
from camembias.errors import InputError, QueryError, StoreError
from camembias.store import Store

from .conftest import LATER, explanation, put

NOTEBOOK = Path(__file__).parents[2] / "docs" / "explore.ipynb"
HOSTILE = "<script>hit()</script> \u202etac\u202c \x1b[31m"


def test_asks_named_queries_and_sql(good_store: Store) -> None:
    opened = open_store(str(good_store.root))
    words = opened.query("words_up", label="avion", min_tweets=1, top=None)
    assert words["word"].to_list() == ["train"]
    assert opened.sql("SELECT count(*) AS n FROM tweets")["n"].to_list() == [5]
    assert "words_up" in opened.queries()["query"]
    assert repr(opened) == f"OpenStore('{good_store.root}')"


def test_refuses_what_the_command_line_refuses(good_store: Store, tmp_path: Path) -> None:
    opened = open_store(good_store.root)
    with pytest.raises(QueryError, match="only one SELECT"):
        opened.sql("DROP VIEW tweets")
    with pytest.raises(QueryError, match="no query 'nothing'"):
        opened.query("nothing")
    with pytest.raises(QueryError, match="has no parameter 'words'"):
        opened.query("words_up", words=3)
    with pytest.raises(InputError, match=r"'nobody' is not explained in .* camembias explain --tweet nobody"):
        opened.explanation("nobody")
    with pytest.raises(InputError, match="not explained for 'viandes'; there are: avion, viande"):
        opened.explanation("t1", "viandes")
    with pytest.raises(StoreError, match="no store at"):
        open_store(tmp_path / "nowhere")


def test_an_explanation_is_shaded_in_html_and_signed_in_text(good_store: Store) -> None:
    found = open_store(good_store.root).explanation("t2")
    # t2 "train vert train": logits avion 0.75 + 1.5, viande 0.75: the likelier one is shown
    assert found.shading.target == "avion"
    assert found.words.rows() == [("train", 1.0), ("train", 0.5), ("vert", 0.0)]
    assert repr(found).splitlines() == [
        "t2: what pushes towards avion (+), and away from it (-)",
        "train(+1.00) vert train(+0.50)",
        "avion 81.8 %, viande 18.2 %",  # 1 / (1 + exp(-1.5))
    ]
    page = found._repr_html_()
    assert page.count("<ruby style=") == 2
    assert "<rt style=" in page
    assert "81.8 %" in page
    assert "<style" not in page  # alone in a notebook
    other = open_store(good_store.root).explanation("t2", "viande")
    assert "vert(+0.50) train(-0.50)" in repr(other)


def test_one_that_does_not_add_up_says_so(good_store: Store) -> None:
    found = open_store(good_store.root).explanation("t4", "viande")
    assert repr(found).endswith("do not rely on them")
    assert "do not rely on them" in found._repr_html_()


def test_a_hostile_tweet_stays_text(good_store: Store) -> None:
    word = {"word": "x", "surface": HOSTILE, "start": 0, "stop": len(HOSTILE), "score": 1.0}
    row = {**explanation("t1", "avion", [0.0, 0.0], words=[word], computed_at=LATER), "tweet_id": "free"}
    put(good_store, "explanations", "hostile", [row])
    found = open_store(good_store.root).explanation("free")
    for shown in (repr(found), found._repr_html_()):
        assert not set("\u202e\u202c\x1b") & set(shown)
        assert "\ufffdtac\ufffd" in shown
    assert "&lt;script&gt;" in found._repr_html_()
    assert "%" not in repr(found).splitlines()[-1]  # one label of two is explained: no odds


def test_importing_camembias_stays_light() -> None:
    code = (
        "import sys, camembias; camembias.open_store; print({'polars', 'duckdb', 'jinja2', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_example_notebook_runs(good_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code cells in order, in one namespace, each shown as a notebook would show it."""
    pytest.importorskip("altair")
    monkeypatch.setenv("CAMEMBIAS_STORE", str(good_store.root))
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells)  # what a store said has no place here
    names: dict[str, Any] = {}
    shown = [_run("".join(cell["source"]), names) for cell in cells]
    assert len(shown) == 9
    assert all(shown)
    assert "<ruby" in shown[-2]


def _run(source: str, names: dict[str, Any]) -> str:
    tree = ast.parse(source)
    last = tree.body.pop()
    exec(compile(tree, "cell", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # type: ignore[attr-defined]
    if hasattr(value, "to_dict") and hasattr(value, "mark_bar"):
        return str(value.to_dict())  # a chart: what a notebook would be sent
    return str(value._repr_html_()) if hasattr(value, "_repr_html_") else repr(value)
