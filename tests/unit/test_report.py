"""The report: what it shows, what it says of an empty store, and that hostile words and labels stay text."""

import base64
import hashlib
import json
import re
import shutil
import sys
import tomllib
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from camembias import catalog, sqlfiles, store
from camembias.errors import InputError, MissingExtra
from camembias.report import charts, sections, write_report
from camembias.report.wording import TEMPLATES, Wording
from camembias.schemas import TABLES
from camembias.store import Store

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

SCRIPT = "<script>alert(1)</script>"
QUOTED = "a\"b'c<i>"
LABELS = [QUOTED, "sport"]
TWEETS = 12
HOSTILE = f"{SCRIPT} but \u202esecret\u202c \x1b[31mred =cmd|' /C calc'!A0"
_BINS = [{"tweets": 20, "confidence": 0.9, "accuracy": 0.8, "interval": [0.6, 0.9]}]
CALIBRATION = {"temperature": 1.5, "before": {"ece": 0.2, "bins": _BINS}, "after": {"ece": 0.1, "bins": _BINS}}
NONE = "No tweet has been explained yet: camembias explain …"


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
        "intervals": {"accuracy": [0.5, 0.75], "per_label": {"sport": {"f1": [0.25, 0.875]}}},
        "calibration": CALIBRATION,
        "shortcuts": {"tweets": 40, "alone": {"author": {"accuracy": 0.58, "macro_f1": 0.56, "named": True}}},
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
    starts = [0, len(SCRIPT) + 1]
    words = [
        {"word": word, "surface": word, "start": start, "stop": start + len(word), "score": score}
        for start, (word, score) in zip(starts, scores.items(), strict=True)
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
    tweets = [{"tweet_id": name, "text": HOSTILE, "author": "a"} for name in names]
    times = [datetime(2024, 1 + int(name) % 2, 1, tzinfo=UTC) for name in names]
    _write(where, "tweets", [{**row, "created_at": at} for row, at in zip(tweets, times, strict=True)])
    _write(where, "concepts", [{"label": "sport", "word": SCRIPT}])  # so there are findings: concept words are expected
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
    moved = {"label": QUOTED, "label_without": "sport", "label_without_others": QUOTED}
    counted = [{"recount": "c", "tweet_id": name, "words": [SCRIPT], "others": ["but"], **moved} for name in "12"]
    counted = [{**one, "month": times[int(one["tweet_id"])].date()} for one in counted]
    frame = [{"label": QUOTED, "tweets": 9}, {"label": "sport", "tweets": 3}]
    row = {"recount": "c", "model_version": "m1", "serving_version": "s1", "words": [SCRIPT], "frame": frame}
    others = [at for at in range(TWEETS) if str(at) not in "12"]
    rest = [{"month": times[at].date(), "label": LABELS[at % 4 == 0], "tweets": 1} for at in others]
    _write(where, "recounted", counted)
    _write(where, "recounts", [{**row, "rest": rest, "holders": 2, "tweets": 2, "computed_at": store.now()}])
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
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return _filled(store.create(tmp_path_factory.mktemp("report") / "store"))


@pytest.fixture(scope="module")
def filled(shelf: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("page") / "out" / "report.html"
    assert write_report(shelf, target) == target
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    return target.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def french(shelf: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("page") / "rapport.html"
    return write_report(shelf, target, "fr", with_text=False).read_text(encoding="utf-8")


def _sentence(said: str) -> str:
    return '<p class="none">{}</p>'.format(said.replace("'", "&#39;"))


def _section(text: str, name: str) -> str:
    return text.split(f'<h2 id="{name}">')[1].split("</section>")[0]


def test_shows_how_good_the_model_is_with_intervals(filled: str) -> None:
    shown = _section(filled, "judged")
    assert "3 (75%)" in shown
    assert "2 (50%)" in shown
    assert "rgba(31, 95, 153, 0.41)" in shown
    assert "0.62 [0.50,\u00a00.75]" in shown  # accuracy, with its interval
    assert "0.60 [0.25,\u00a00.88]" in shown  # F1 of one label
    assert "error 0.100 as served, 0.200 before" in shown
    assert "temperature 1.50" in shown
    assert ">author</th>" in shown  # alone
    assert shown.count("<svg") == 1  # calibration


def test_shows_where_it_comes_from(filled: str) -> None:
    shown = _section(filled, "provenance")
    for fact in ("m1", "s1", "camembert-base", ">40<", "No job has run on this store yet."):
        assert fact in shown


def test_shows_the_numbers_of_the_queries(filled: str) -> None:
    shares = _section(filled, "classified")
    assert '<td class="number">9</td><td class="number">75.0%</td>' in shares
    assert shares.count("<svg") == 4  # label shares, those of the recount, and each label by month
    looks = _section(filled, "looks")
    assert '<td class="number">1.00</td>' in looks  # the centred score of the word that pushes
    assert looks.count("<svg") == 2
    assert "Explanations that do not, by 5 %: 1." in filled
    assert NONE not in filled


def test_every_question_is_told_with_its_unit_caveat_and_sql(filled: str) -> None:
    asked = "store_contents label_shares label_shares_over_time reject_reasons models_seen words_up words_down "
    asked += "concept_share verdict_counts verdicts finding_examples explanation_status explanation_quality "
    asked += "explanation_errors incomplete_explanations last_runs recounted_shares recounted_words "
    asked += "recounted_shares_over_time detectable_effects"
    for name in asked.split():
        assert f"How this was asked: <code>{name}</code>" in filled
        assert f"-- name: {sqlfiles.query(name).name}" in filled
    assert filled.count(">Caveat</dt>") == len(asked.split()) + 1  # models_seen stands under both its figures


def test_retweets_have_a_table_where_there_are_any(shelf: Store, filled: str, tmp_path: Path) -> None:
    assert "Retweets and original tweets" not in filled
    there = store.open_existing(Path(shutil.copytree(shelf.root, tmp_path / "store")))
    tweets = there.read("tweets", "one").with_columns(text=pl.lit("RT @moi: but"))
    there.write("tweets", "one", pl.concat([tweets[:6], there.read("tweets", "one")[6:]]))
    page = write_report(there, tmp_path / "page.html").read_text(encoding="utf-8")
    shown = _section(page, "classified").split("Retweets and original tweets")[1]
    cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", shown)
    assert cells[5:9] == ["a&#34;b&#39;c&lt;i&gt;", "original tweet", "5", "83.3%"]
    assert cells[10:14] == ["a&#34;b&#39;c&lt;i&gt;", "retweet", "4", "66.7%"]


def test_corrected_shares_have_a_table_where_tweets_were_labelled_by_hand(shelf, filled, tmp_path):
    assert "Shares corrected by hand" not in filled
    there = store.open_existing(Path(shutil.copytree(shelf.root, tmp_path / "store")))
    _write(there, "coded", [{"tweet_id": name, "label": "sport"} for name in "0123"])  # three of them are called QUOTED
    page = write_report(there, tmp_path / "page.html", "fr").read_text(encoding="utf-8")
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page.split("Parts corrigées à la main")[1])
    assert cells[0:2] == ["75,0\u00a0%", "0,0\u00a0%"]


def test_begins_with_what_was_found():
    rows = [("@x", "avion", "confirmed_bias", None), ("🌻", "avion", "confirmed_away", "unsure"),
            ("prendre", "viande", "confirmed_bias", "expected"), ("train", "avion", "expected", None)]  # fmt: skip
    verdicts = pl.DataFrame(rows, schema=["word", "label", "verdict", "decision"], orient="row")
    shares = pl.DataFrame({"label": ["a", "b"], "share": [0.5, 0.5], "share_without": [0.51, 0.42],
                           "difference": [0.01, -0.08]})  # fmt: skip
    en, fr = Wording("en"), Wording("fr")
    assert sections.at_a_glance(verdicts, shares, en) == [
        "Words that are confirmed biases of the model: 2. By word (label): @x (avion), 🌻 (away from avion).",
        "Without the words of the last recount the share of b is 42.0% instead of 50.0%.",
    ]
    assert "camembias recount" in sections.at_a_glance(verdicts, shares.clear(), fr)[1]
    assert sections.at_a_glance(verdicts[2:], shares, fr) == ["Aucun mot n'est un biais confirmé du modèle."]
    assert sections.at_a_glance(verdicts.clear(), shares, en) == []


def test_where_nothing_is_confirmed_it_says_what_could_have_been():
    none = pl.DataFrame([("le", "avion", "weak", None)], schema=["word", "label", "verdict", "decision"], orient="row")
    known = {"tests": 40, "explained": 281, "frame": 300_000, "rarest": 900.4}
    rows = [
        {"first": 5, "last": 9, "words": 30, "edited_words": 4, "detectable_reliance": None, "detectable_effect": None},
        {
            "first": 10,
            "last": 19,
            "words": 12,
            "edited_words": 4,
            "detectable_reliance": 1.25,
            "detectable_effect": 0.5,
        },
        {
            "first": 100,
            "last": None,
            "words": 3,
            "edited_words": 0,
            "detectable_reliance": 0.4,
            "detectable_effect": None,
        },
    ]
    rows = pl.DataFrame([row | known for row in rows])
    said = sections.at_a_glance(none, none, Wording("en"), rows)
    assert said[0] == "No word is a confirmed bias of the model."
    assert said[1] == "Explained: 281 of 300,000 tweets (0.1%)."
    assert "stands in about 900 of the tweets" in said[2]
    assert (
        "10\u201319 tweets (12 words): reliance 1.25, effect 0.50; 100 or more tweets (3 words): reliance 0.40"
        in said[2]
    )
    assert "camembias effects --explain" in said[3]
    assert "mot le plus rare" in sections.at_a_glance(none, none, Wording("fr"), rows)[2]
    unedited = rows.with_columns(edited_words=0)
    assert "No word was edited" in sections.at_a_glance(none, none, Wording("en"), unedited)[2]
    assert "in ten of them" in sections.at_a_glance(none, none, Wording("en"), rows[:1])[2]
    assert len(sections.at_a_glance(none, none, Wording("en"), rows.clear())) == 1


def test_shows_the_shares_without_the_suspicious_words(filled: str, french: str) -> None:
    shown = _section(filled, "classified").split("The shares without the suspicious words")[1]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", shown)
    assert cells[:7] == ["75.0%", "58.3%", "−16.67", "[−16.67,\u00a0−16.67]", "0.00", "2", "0"]
    assert "Words taken out (1):" in shown
    assert "The dashed line is the share without" in shown
    assert shown.count("stroke-dasharray=") == 2  # a label by month each
    assert "Mots ôtés (1) :" in french
    assert '<td class="number">−16,67</td>' in french


def test_a_finding_carries_its_witnesses_and_its_examples(filled: str) -> None:
    shown = _section(filled, "findings")
    assert "Findings: 2 of 2" in shown
    (first, _) = re.findall(r"<tbody data-word.*?</tbody>", shown, re.DOTALL)
    assert 'data-verdict="expected"' in first
    assert '<td class="number" data-key="1">1.00 [1.00,\u00a01.00]</td>' in first  # reliance: the same in every tweet
    assert '<td class="number" data-key="">–</td>' in first  # effect: never edited
    assert first.count('<p class="text"') == 2  # examples drawn
    assert re.search(
        r'<ruby class="mine" style="background:#[0-9a-f]{6};color:#[0-9a-f]{6}">&lt;script&gt;.*?<rt>[+−]1.00</rt>',
        first,
    )
    assert "predicted a&#34;b" in first


def test_hostile_words_labels_and_tweets_are_text(filled: str) -> None:
    assert "<i>" not in filled
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in filled
    drawn = "".join(re.findall(r"<svg.*?</svg>", filled, re.DOTALL))
    assert "&lt;script&gt;" in drawn  # vl_convert escapes too
    for tag, attributes in _tags(filled):
        assert tag not in ("i", "img", "link", "iframe", "base", "form")
        assert not [name for name in attributes if name.startswith("on") or name in ("b'c", "c")]
    assert [tag for tag, _ in _tags(filled)].count("script") == 1  # ours
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", filled)


def test_examples_show_overrides_and_escapes_as_what_they_are(shelf: Store, filled: str) -> None:
    rows = catalog.run_query(shelf, sqlfiles.query("finding_examples"))
    assert set(rows["text"]) == {HOSTILE}  # they are in the store
    assert filled.count("\ufffdsecret\ufffd \ufffd[31mred =cmd|&#39; /C calc&#39;!A0") == rows.height


def test_only_the_script_with_the_stated_hash_may_run(filled: str) -> None:
    script = re.findall(r"<script>(.*?)</script>", filled, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(attributes["content"] for tag, attributes in _tags(filled) if "http-equiv" in attributes)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}'" in policy
    assert len(script) < 5000


def test_nothing_is_fetched(filled: str) -> None:
    for _, attributes in _tags(filled):
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "url(http" not in filled
    assert "@import" not in filled


def test_can_be_read_without_eyes_or_a_wide_screen(filled: str) -> None:
    tags = _tags(filled)
    names = [tag for tag, _ in tags]
    assert ("html", {"lang": "en"}) in tags
    assert names.count("table") == names.count("caption")
    assert names.count("h1") == 1
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in tags if tag == "th")
    assert all(attributes.get("type") == "button" for tag, attributes in tags if tag == "button")
    assert 'name="viewport"' in filled
    assert "@media print" in filled
    known = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(known) == len(set(known))
    for _, attributes in tags:
        assert attributes.get("aria-controls", known[0]) in known


def test_speaks_french(french: str) -> None:
    assert ("html", {"lang": "fr"}) in _tags(french)
    for said in ("Ce qui a été classé", "Constats : 2 sur 2", "75,0\u00a0%", "attendu"):
        assert said in french
    assert "0,62 [0,50\u00a0;\u00a00,75]" in french
    for english in ("What was classified", ">verdict table<", "Findings", "expected<"):
        assert english not in french


def test_without_text_no_tweet_is_shown(filled: str, french: str) -> None:
    assert "examples" in _section(filled, "findings")
    assert "</ruby>" not in french
    assert "finding_examples" not in french
    assert "[31mred" not in french
    assert not re.search(r">(bad|tweet bad)", french)  # nor the id of the incomplete one
    assert ">bad<" in filled


def test_every_word_of_the_report_is_there_in_both_languages() -> None:
    said = tomllib.loads((TEMPLATES / "report_wording.toml").read_text(encoding="utf-8"))
    for table in said.values():
        for key, pair in table.items():
            english, french = pair
            assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", french)), key
            assert french
            assert "\u2014" not in english + french


def test_refuses_a_language_it_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no report in language 'de'; there are: en, fr"):
        write_report(store.create(tmp_path / "store"), tmp_path / "r.html", "de")


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_an_empty_store_says_so_in_sentences(tmp_path: Path, lang: str) -> None:
    where = store.create(tmp_path / "store")  # no audit.duckdb yet: made on the way
    text = write_report(where, tmp_path / "report.html", lang).read_text(encoding="utf-8")
    said = Wording(lang).text
    for key in ("no_tweets", "no_times", "no_refused", "no_model", "no_explanations", "no_concepts", "no_findings"):
        assert _sentence(said[key]) in text
    for key in ("no_status", "not_measured", "no_runs"):
        assert _sentence(said[key]) in text
    assert "<svg" not in text
    assert "<table" not in text


def test_a_model_without_metrics(tmp_path: Path) -> None:
    where = store.create(tmp_path / "store")
    row = {"model_version": "m", "serving_version": "s", "name": "n", "labels": LABELS, "manifest": "{}"}
    _write(where, "models", [{**row, "seen_at": store.now()}])
    text = write_report(where, tmp_path / "report.html").read_text(encoding="utf-8")
    for said in ("holds no metrics", "holds no calibration", "holds no search for shortcuts"):
        assert said in text


def test_names_the_extra_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtra, match=r"'altair' is not installed.*camembias\[report\]"):
        write_report(store.create(tmp_path / "store"), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_large_numbers_have_groups_and_no_decimals() -> None:
    english, french = Wording("en"), Wording("fr")
    assert [english.number(value) for value in (999.994, 999.996, 117369.57, -1234.5)] == [
        *("999.99", "1,000", "117,370", "−1,234")
    ]
    assert french.number(-117369.57) == "−117\u202f370"
    assert [english.number(value) for value in (float("nan"), float("inf"))] == ["–", "–"]


@pytest.mark.parametrize(("months", "length"), [(12, len("2012-01")), (48, len("2012"))])
def test_long_times_are_labelled_by_year(months: int, length: int) -> None:
    rows = [
        {"month": date(2012 + at // 12, at % 12 + 1, 1), "share": 0.5, "low": 0.4, "high": 0.6} for at in range(months)
    ]
    ticks = re.findall(r">(20\d\d(?:-\d\d)?)<", charts.over_time(rows, 1.0, Wording("en")))
    assert {len(tick) for tick in ticks} == {length}
