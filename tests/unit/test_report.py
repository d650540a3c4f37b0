"""The report: what it shows, what it says of an empty store, and that hostile words and labels stay text."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from camembias import catalog, sqlfiles, store
from camembias.errors import MissingExtra
from camembias.report import write_report
from camembias.schemas import TABLES
from camembias.store import Store

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

SCRIPT = "<script>alert(1)</script>"
QUOTED = "a\"b'c<i>"
LABELS = [QUOTED, "sport"]
TWEETS = 12
NONE = "no explanations yet: camembias explain …"


def _write(where: Store, table: str, rows: list[dict]) -> None:
    where.write(table, "one", pl.DataFrame(rows, schema=TABLES[table]))


def _model(where: Store) -> None:
    found = {"precision": 0.5, "recall": 0.75, "f1": 0.6, "tweets": 4}
    metrics = {
        "tweets": 8,
        "accuracy": 0.625,
        "macro_f1": 0.6,
        "per_label": dict.fromkeys(LABELS, found),
        "labels": LABELS,
        "confusion_matrix": [[3, 1], [2, 2]],
    }
    manifest = {
        "base_model": "camembert-base",
        "versions": {"torch": "2.9"},
        "data": {"tweets": 40},
        "metrics": metrics,
    }
    row = {"model_version": "m1", "serving_version": "s1", "name": "demo", "labels": LABELS}
    _write(where, "models", [{**row, "manifest": json.dumps(manifest), "seen_at": store.now()}])


def _explanation(tweet: str, target: str, sign: int, converged: bool = True) -> dict:
    scores = {SCRIPT: 1.0 * sign, "but": -0.5 * sign}
    words = [
        {"word": word, "surface": word, "start": 0, "stop": len(word), "score": score} for word, score in scores.items()
    ]
    return {
        "batch": "b",
        "tweet_id": tweet,
        "model_version": "m1",
        "target": target,
        "label": QUOTED,
        "method": "ig",
        "baseline": "mask",
        "steps": 8,
        "logit": 1.0,
        "logit_baseline": 0.5,
        "delta": 0.0,
        "relative_error": 0.0,
        "converged": converged,
        "special_score": 0.0,
        "words": words,
        "duration_ms": 1.0,
        "computed_at": store.now(),
    }


def _filled(where: Store) -> Store:
    _model(where)
    names = [str(number) for number in range(TWEETS)]
    base = {"model_version": "m1", "serving_version": "s1", "scores": [], "margin": 1.0, "rescored": False}
    shared = {**base, "run_id": "r", "classified_at": store.now()}
    _write(where, "predictions", [{"tweet_id": name, "label": LABELS[int(name) % 4 == 0], **shared} for name in names])
    rows = [_explanation(name, target, 1 if target == QUOTED else -1) for name in names for target in LABELS]
    _write(where, "explanations", [*rows, _explanation("bad", QUOTED, 1, converged=False)])
    design = {
        "design_id": "d",
        "rule": "uniform",
        "model_version": "m1",
        "method": "ig",
        "baseline": "mask",
        "seed": "s",
    }
    _write(where, "designs", [{**design, "created_at": store.now()}])
    _write(where, "draws", [{"design_id": "d", "tweet_id": name, "key": "all", "pi": 1.0} for name in names])
    catalog.refresh(where)
    return where


class _Shape(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    shape = _Shape()
    shape.feed(text)
    return shape.tags


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("report")
    target = root / "out" / "report.html"
    assert write_report(_filled(store.create(root / "store")), target) == target
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    return target.read_text(encoding="utf-8")


def test_shows_provenance_metrics_and_the_confusion_matrix(filled: str) -> None:
    for shown in (
        "demo",
        "m1",
        "s1",
        "camembert-base",
        "2.9",
        "0.625",
        "3 (75%)",
        "2 (50%)",
        "rgba(31, 95, 153, 0.41)",
    ):
        assert shown in filled


def test_shows_the_numbers_of_the_queries(filled: str) -> None:
    assert '<td class="number">9</td><td class="number">0.750</td>' in filled  # label_shares
    assert '<td class="number">1.000</td>' in filled  # the centred score of the word that pushes
    assert "do not add up to the logit they explain: 1." in filled
    assert NONE not in filled
    assert filled.count("<svg") == 3  # label shares, and one a label


def test_every_question_is_told_with_its_unit_caveat_and_sql(filled: str) -> None:
    asked = "label_shares words_up words_down word_label concept_share explanation_status "
    asked += "explanation_quality incomplete_explanations verdicts"
    for name in asked.split():
        assert f"How this was asked: {name}<" in filled
        assert f"-- name: {sqlfiles.query(name).name}" in filled
    assert filled.count("<dt>Caveat</dt>") == len(asked.split())


def test_hostile_words_and_labels_are_text(filled: str) -> None:
    assert "<script" not in filled.lower()
    assert "<i>" not in filled
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in filled
    drawn = "".join(re.findall(r"<svg.*?</svg>", filled, re.DOTALL))
    assert "&lt;script&gt;" in drawn  # vl_convert escapes too
    for tag, attributes in _tags(filled):
        assert tag not in ("script", "i", "img", "link", "iframe")
        assert not [name for name in attributes if name.startswith("on") or name in ("b'c", "c")]


def test_nothing_is_fetched(filled: str) -> None:
    for _, attributes in _tags(filled):
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "url(http" not in filled
    assert "@import" not in filled
    assert "default-src 'none'" in filled


def test_can_be_read_without_eyes_or_a_wide_screen(filled: str) -> None:
    tags = _tags(filled)
    names = [tag for tag, _ in tags]
    assert ("html", {"lang": "en"}) in tags
    assert names.count("table") == names.count("caption")
    assert names.count("h1") == 1
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in tags if tag == "th")
    assert 'name="viewport"' in filled
    assert "@media print" in filled
    known = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(known) == len(set(known))


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    where = store.create(tmp_path / "store")  # no audit.duckdb yet: made on the way
    text = write_report(where, tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count(NONE) == 6
    assert "no model yet" in text
    assert "no tweets yet" in text
    assert "<svg" not in text


def test_a_model_without_metrics(tmp_path: Path) -> None:
    where = store.create(tmp_path / "store")
    row = {"model_version": "m", "serving_version": "s", "name": "n", "labels": LABELS, "manifest": "{}"}
    _write(where, "models", [{**row, "seen_at": store.now()}])
    text = write_report(where, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "the manifest holds no metrics" in text


def test_names_the_extra_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtra, match=r"'altair' is not installed.*camembias\[report\]"):
        write_report(store.create(tmp_path / "store"), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
