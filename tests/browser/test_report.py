"""The report in a real browser, offline: sorted, filtered and opened by mouse and keyboard, with hostile tweets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from camembias import catalog, store
from camembias.report import write_report
from camembias.store import Store
from tests.browser.chromium import Chromium, found
from tests.sql.conftest import DAY, design, prediction, put, training, tweet

PROGRAM = found()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here; Debian's package is called chromium")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

HOSTILE = (
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "javascript:window.hit=1",
    "</script><script>window.hit=1</script>",
    "\u202etfel-ot-thgir\u202c",
    "\x1b[31mrouge\x1b[0m",
    "=cmd|'/C calc'!A0",
    "{{7*7}}",
    "été",
    "a" * 400,
)
LABELS = ("avion", "<b>viande</b>")
ROWS = "[...document.querySelectorAll('#verdict-table tbody')].filter(one => !one.hidden)"


def _explanations(tweet_id: str, words: list[str], text: str, scores: list[float]) -> Iterator[dict[str, Any]]:
    at, placed = 0, []
    for word, score in zip(words, scores, strict=True):
        placed.append({"word": word, "surface": word, "start": at, "stop": at + len(word), "score": score})
        at += len(word) + 1
    shared = {"batch": "b", "tweet_id": tweet_id, "model_version": "m1", "label": LABELS[0], "method": "ig"}
    shared |= {"baseline": "mask", "steps": 8, "logit": 1.0, "logit_baseline": 0.5, "delta": 0.0, "converged": True}
    shared |= {"relative_error": 0.0, "special_score": 0.0, "duration_ms": 1.0, "computed_at": DAY}
    for label, sign in zip(LABELS, (1, -1), strict=True):
        yield {**shared, "target": label, "words": [{**one, "score": sign * one["score"]} for one in placed]}


def fill(into: Store, words: list[str]) -> Store:
    """Two tweets a word, each scored by its place in the list; all are concept words, so each makes two findings."""
    texts = {f"t{at}-{copy}": (word, at) for at, word in enumerate(words) for copy in range(2)}
    put(into, "tweets", "p", [tweet(key, f"{word} encore", created_at=DAY) for key, (word, _) in texts.items()])
    put(into, "predictions", "p", [prediction(key, LABELS[0]) for key in texts])
    model = {
        "model_version": "m1",
        "serving_version": "v1",
        "name": "<i>m</i>",
        "labels": list(LABELS),
        "manifest": "{}",
    }
    put(into, "models", "m", [{**model, "seen_at": DAY}])
    rows = [
        row
        for key, (word, at) in texts.items()
        for row in _explanations(key, [word, "encore"], f"{word} encore", [at / 10 - 0.2, 0.01])
    ]
    put(into, "explanations", "b", rows)
    put(into, "designs", "d", [design("d", "ig")])
    put(into, "draws", "d", [{"design_id": "d", "tweet_id": key, "key": "all", "pi": 1.0} for key in texts])
    put(into, "concepts", "c", [{"label": LABELS[0], "word": word} for word in words])
    put(into, "training_words", "m", [training(f"h{n}", n, LABELS[n % 2], [words[n % len(words)]]) for n in range(40)])
    catalog.refresh(into)
    return into


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return fill(store.create(tmp_path_factory.mktemp("hostile") / "store"), list(HOSTILE))


@pytest.fixture(scope="module")
def page(shelf: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(shelf, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(PROGRAM or "", tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def column(browser: Chromium, number: int) -> list[float]:
    """What the rows shown hold in a column, in their order, as the browser sorts it."""
    return [float(key) for key in browser.ask(f"{ROWS}.map(one => one.rows[0].cells[{number}].dataset.key)") if key]


def heading(number: int) -> str:
    return f"#verdict-table thead th:nth-child({number + 1}) button"


RELIANCE = 6


def test_a_click_sorts_and_says_so(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    first = chromium.ask(f"{ROWS}.map(one => one.dataset.word + one.dataset.label)")
    assert len(first) == 2 * len(HOSTILE)
    state = "[...document.querySelectorAll('#verdict-table th[aria-sort]')].map(one => one.ariaSort)"
    assert set(chromium.ask(state)) == {"none"}
    chromium.click(heading(RELIANCE))
    assert column(chromium, RELIANCE) == sorted(column(chromium, RELIANCE))
    assert chromium.ask(state)[RELIANCE] == "ascending"
    chromium.click(heading(RELIANCE))
    assert column(chromium, RELIANCE) == sorted(column(chromium, RELIANCE), reverse=True)
    assert chromium.ask(state).count("none") == len(chromium.ask(state)) - 1
    chromium.click("#reset")
    assert chromium.ask(f"{ROWS}.map(one => one.dataset.word + one.dataset.label)") == first
    assert set(chromium.ask(state)) == {"none"}


def test_the_keyboard_sorts_too(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.ask(f"document.querySelector({json.dumps(heading(RELIANCE))}).focus()")
    chromium.press("Enter", 13, "\r")
    assert column(chromium, RELIANCE) == sorted(column(chromium, RELIANCE))


def test_what_is_not_known_comes_last_in_either_direction(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    keys = f"{ROWS}.map(one => one.rows[0].cells[5].dataset.key)"  # association: words out of training have none
    chromium.ask("document.querySelector('#verdict-table tbody td:nth-child(6)').dataset.key = ''")
    for _ in range(2):
        chromium.click(heading(5))
        assert chromium.ask(keys)[-1] == ""
        assert "" not in chromium.ask(keys)[:-1]


def test_typing_filters_without_regard_to_accents(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.click("[data-filter=word]")
    chromium.type("ETE")
    assert chromium.ask(f"[...new Set({ROWS}.map(one => one.dataset.word))]") == ["été"]
    assert (
        chromium.ask("document.getElementById('shown').textContent") == f"2 shown; 2 of {2 * len(HOSTILE)} findings fit"
    )
    chromium.ask("(one => { one.value = 'avion'; one.dispatchEvent(new Event('input')) })"
                 "(document.querySelector('[data-filter=label]'))")  # fmt: skip
    assert chromium.ask(f"{ROWS}.map(one => one.dataset.label)") == ["avion"]
    chromium.click("#reset")
    assert chromium.ask(f"{ROWS}.length") == 2 * len(HOSTILE)


def test_examples_open_and_close_and_move_with_their_finding(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    first = "document.querySelector('#verdict-table tbody')"
    assert chromium.ask(f"{first}.rows[1].offsetHeight") == 0
    chromium.click("#verdict-table .more")
    assert chromium.ask(f"{first}.rows[1].offsetHeight") > 0
    assert chromium.ask("document.querySelector('#verdict-table .more').ariaExpanded") == "true"
    chromium.click(heading(0))
    opened = "document.querySelector('#verdict-table .open')"
    assert chromium.ask(f"{opened}.rows[1].id === {opened}.querySelector('button').getAttribute('aria-controls')")
    chromium.click("#verdict-table .open .more")
    assert chromium.ask("document.querySelectorAll('#verdict-table .open').length") == 0


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_hostile_tweets_do_nothing_and_nothing_is_fetched(
    chromium: Chromium, shelf: Store, tmp_path: Path, width: int, lang: str
) -> None:
    page = write_report(shelf, tmp_path / "report.html", lang)
    chromium.open(page, width)
    chromium.ask("document.querySelectorAll('#verdict-table .more').forEach(one => one.click())")
    assert chromium.ask("typeof window.hit") == "undefined"
    assert chromium.requests() == [page.as_uri()]
    assert chromium.complaints() == []
    assert chromium.ask("document.scripts.length") == 1
    assert chromium.ask("[...document.querySelectorAll('main *')].filter(one => "
                        "[...one.attributes].some(it => it.name.startsWith('on'))).length") == 0  # fmt: skip
    words = chromium.ask("[...document.querySelectorAll('#verdict-table tbody bdi')].map(one => one.textContent)")
    assert set(words) == {word.translate({0x202E: 0xFFFD, 0x202C: 0xFFFD, 0x1B: 0xFFFD}) for word in HOSTILE}


def test_the_policy_stops_a_script_that_escaping_would_have_missed(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.ask("document.body.append(Object.assign(document.createElement('script'), {text: 'window.hit = 1'}))")
    chromium.ask("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hit=1\">')")
    chromium.ask("fetch('http://127.0.0.1:1/').catch(() => 0)")
    assert chromium.ask("new Promise(done => setTimeout(() => done(typeof window.hit), 200))") == "undefined"
    assert sum("Content Security Policy" in one for one in chromium.complaints()) >= 2


@pytest.mark.parametrize("width", [1400, 390, 320])
def test_no_page_is_wider_than_its_screen(chromium: Chromium, page: Path, width: int) -> None:
    chromium.open(page, width)
    chromium.ask("document.querySelectorAll('#verdict-table .more, summary').forEach(one => one.click())")
    assert chromium.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    wide = "[...document.querySelectorAll('main svg')].filter(one => one.getBoundingClientRect().right > innerWidth)"
    assert chromium.ask(f"{wide}.length") == 0
    # text of a chart may overhang its frame, where the browser's font is wider than ours, but not the screen
    lost = "[...document.querySelectorAll('main svg text')].filter(one => one.getBoundingClientRect().left < 0)"
    assert chromium.ask(f"{lost}.length") == 0


def test_the_page_is_whole_without_its_script(chromium: Chromium, page: Path) -> None:
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(page)
        nodes = chromium.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        example = chromium.call("DOM.querySelector", nodeId=nodes, selector=".examples")["nodeId"]
        assert chromium.call("DOM.getBoxModel", nodeId=example)["model"]["height"] > 0
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


def test_screen_readers_hear_names_states_and_roles(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.click(heading(RELIANCE))
    chromium.call("Accessibility.enable")
    nodes = chromium.call("Accessibility.getFullAXTree")["nodes"]
    chromium.call("Accessibility.disable")
    heard = [(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes if not one["ignored"]]
    for role in ("button", "combobox", "searchbox", "image", "table", "region"):
        names = [name for it, name in heard if it == role]
        assert names, role
        assert all(names), role
    assert ("button", "reliance") in heard  # the arrow is for eyes; the state is on its heading
    assert [name for role, name in heard if role == "status"] or any("findings fit" in name for _, name in heard)


def test_contrast_is_enough_to_read(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.ask("document.querySelectorAll('#verdict-table .more').forEach(one => one.click())")
    worst = chromium.ask(
        """(() => {
          const parts = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
            .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
            .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
          const behind = (one) => { let at = one.tagName === "RT" ? one.closest("p") : one;
            for (; at; at = at.parentElement) {
            const found = parts(getComputedStyle(at).backgroundColor);
            if (found.length === 3 || found[3] === 1) return found; } return [255, 255, 255]; };
          return Math.min(...[...document.querySelectorAll("main *")].filter((one) => !one.closest("svg"))
            .filter((one) => [...one.childNodes].some((it) => it.nodeType === 3 && it.data.trim()))
            .map((one) => { const [a, b] = [light(parts(getComputedStyle(one).color)), light(behind(one))].sort();
              return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); })); })()"""
    )
    assert worst >= 4.5  # WCAG 2.2, level AA


def test_prints_whole(chromium: Chromium, page: Path) -> None:
    chromium.open(page, 718)  # CSS pixels of A4 between margins of a centimetre
    chromium.call("Emulation.setEmulatedMedia", media="print")
    try:
        box, table = "document.querySelector('.findings')", "document.getElementById('verdict-table')"
        assert chromium.ask(f"{box}.clientHeight >= {table}.offsetHeight")
        assert chromium.ask(f"{table}.getBoundingClientRect().right <= innerWidth")
        assert chromium.ask(f"getComputedStyle({table}.tHead.rows[0].cells[0]).position") == "static"
        assert chromium.ask("getComputedStyle(document.querySelector('.filters')).display") == "none"
    finally:
        chromium.call("Emulation.setEmulatedMedia", media="")


def test_a_thousand_findings_stay_quick(chromium: Chromium, tmp_path: Path) -> None:
    """Processor time of the page's own thread, not the clock's: other work on the machine must not decide."""
    made = fill(store.create(tmp_path / "store"), [f"mot{n}" for n in range(600)])
    page = write_report(made, tmp_path / "report.html")
    chromium.call("Performance.enable", timeDomain="threadTicks")

    def spent() -> float:
        found = chromium.call("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))

    def during(action: str) -> float:
        before = spent()
        chromium.ask(f"({action}, document.body.offsetHeight)")
        return spent() - before

    chromium.open(page)
    assert chromium.ask("document.querySelector('#verdict-table').tBodies.length") == 1000
    assert chromium.ask(f"{ROWS}.length") == 200
    ready = "performance.getEntriesByType('navigation')[0].domInteractive"
    times = {
        "megabytes": page.stat().st_size / 1e6,
        "to interactive, by the clock, s": chromium.ask(ready) / 1000,
        "sort, s": during(f"document.querySelector({json.dumps(heading(RELIANCE))}).click()"),
        "filter, s": during("(one => { one.value = 'mot59'; one.dispatchEvent(new Event('input')) })"
                            "(document.querySelector('[data-filter=word]'))"),
    }  # fmt: skip
    chromium.click("#reset")
    times["show all, s"] = during("document.getElementById('all').click()")
    assert chromium.ask(f"{ROWS}.length") == 1000
    assert chromium.ask("document.getElementById('shown').textContent") == "1000 shown; 1000 of 1000 findings fit"
    times["sort all, s"] = during(f"document.querySelector({json.dumps(heading(RELIANCE))}).click()")
    chromium.call("Performance.disable")
    print({name: round(value, 3) for name, value in times.items()})
    assert times["sort, s"] < 0.5  # laying out all of them took 0.4 to 0.7
    assert times["filter, s"] < 0.5
    assert times["megabytes"] < 5
