"""Answers about bias, worked out by hand on the store of conftest; `statistics` has the formulas behind them."""

from datetime import timedelta
from math import log, sqrt
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from camembias import catalog, decisions, sqlfiles
from camembias.cli import app
from camembias.errors import InputError
from camembias.store import Store

from .conftest import DAY, LATER, design, explanation, put, training, tweet

STUDENT_1 = 12.706205  # the 97.5 % quantile with one degree of freedom: two tweets say little


def ask(store: Store, name: str, **values: str | None) -> list[tuple[Any, ...]]:
    return catalog.run_query(store, sqlfiles.query(name), values).rows()


def near(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(pytest.approx(cell) if isinstance(cell, float) else cell for cell in row) for row in rows]


def scores(avion: float, viande: float, p: float) -> list[dict[str, Any]]:
    return [{"label": "avion", "logit": avion, "p": p}, {"label": "viande", "logit": viande, "p": 1 - p}]


def edit(
    tweet_id: str, before: tuple[float, ...], after: tuple[float, ...], labels: str, **more: Any
) -> dict[str, Any]:
    names = {"a": "avion", "v": "viande"}
    row = {"model_version": "m1", "word": "le", "role": "candidate", "edit": "delete", "tweet_id": tweet_id}
    row |= {"before": scores(*before), "after": scores(*after), "computed_at": DAY}
    return {**row, "label_before": names[labels[0]], "label_after": names[labels[1]], **more}


def test_control_words_go_with_no_label(good_store: Store) -> None:
    # z of le is 0, nucléaire is not in the training split; train and vert are concept words
    assert ask(good_store, "control_words", min_tweets="1") == [("le", "function", 2), ("nucléaire", "word", 1)]


def test_effect_candidates_are_ranked_by_the_end_of_an_interval(good_store: Store) -> None:
    # le: mean -0.1, error 0.2, 1 degree of freedom; a single tweet with nucléaire has none. In training, with a tenth
    # more, 1.2 of 3.5 words for avion and 1.2 of 2.5 for viande: |log odds| less 1.96 errors is more than -0.1 says
    reliance, association = 0.1 - STUDENT_1 * 0.2, abs(log(1.2 / 2.3) - log(1.2 / 1.3)) - 1.96 * sqrt(2 / 1.2)
    expected = [("le", "function", 2, max(reliance, association), 1)]
    assert ask(good_store, "effect_candidates", min_tweets="1", top="1") == near(expected)
    two, every = (ask(good_store, "effect_candidates", min_tweets="1", top=top) for top in ("2", None))
    assert [row[0] for row in two] == ["le"]  # nothing speaks for the other
    assert [row[0] for row in every] == ["le", "nucléaire"]


def test_without_edits_concept_words_are_expected_and_rare_words_have_no_verdict(good_store: Store) -> None:
    rows = ask(good_store, "verdicts")
    assert [row[:3] for row in rows] == [
        ("train", "avion", "expected"),
        ("train", "viande", "expected"),
        ("vert", "avion", "expected"),
        ("vert", "viande", "expected"),
    ]
    assert {row[3] for row in rows} == {None}  # a concept word is expected: no test asks about it
    assert ask(good_store, "verdict_counts") == [(label, "expected", 2) for label in ("avion", "viande")]


def test_a_decision_of_a_reviewer_stands_beside_the_verdict(good_store: Store) -> None:
    said = {"word": "train", "label": "avion", "decision": "expected", "note": "seen", "reviewer": "x"}
    put(good_store, "decisions", "d", [said])
    catalog.refresh(good_store)
    assert [(*row[:2], *row[-2:]) for row in ask(good_store, "verdicts", top="2")] == [
        ("train", "avion", "expected", "seen"),
        ("train", "viande", None, None),
    ]


def test_the_table_of_verdicts_comes_back_with_decisions(good_store: Store, tmp_path: Path) -> None:
    """As a reviewer does it: export, fill in, refresh. The export puts a quote before what a spreadsheet would run."""
    path = tmp_path / "review.csv"
    path.write_text("word,label,decision,note\n'@Vigie,avion,bias,house account\ntrain,viande,,\n", encoding="utf-8")
    assert decisions.put(good_store, path) == 1
    catalog.refresh(good_store)
    rows = catalog.run_sql(good_store, "SELECT word, label, decision, note FROM decisions").rows()
    assert rows == [("@vigie", "avion", "bias", "house account")]


def test_concept_words_that_push_towards_another_label(good_store: Store) -> None:
    """train pushes towards avion by 1 in both of its texts, vert towards viande in its only one."""
    assert ask(good_store, "borrowed_concepts", min_tweets="1") == []
    words = [{"label": "viande", "word": "train"}, {"label": "avion", "word": "vert"}]
    put(good_store, "concepts", "c", words)
    catalog.refresh(good_store)
    found = ask(good_store, "borrowed_concepts", min_tweets="1")
    assert [(row[0], row[1], row[2], row[3]) for row in found] == [("train", "avion", ["viande"], 1.0)]
    assert ask(good_store, "borrowed_concepts", min_tweets="1", label="viande") == []


def test_concept_words_of_a_label_that_no_model_has_are_words_like_any_other(good_store: Store) -> None:
    put(good_store, "concepts", "c", [{"label": "nucléaire", "word": "train"}, {"label": "viande", "word": "vert"}])
    catalog.refresh(good_store)
    assert catalog.run_sql(good_store, "SELECT word FROM concepts").rows() == [("vert",)]
    for name in good_store.part_names("models"):
        good_store.part("models", name).unlink()
    assert catalog.run_sql(good_store, "SELECT word FROM concepts ORDER BY word").rows() == [("train",), ("vert",)]


def test_a_decision_finds_its_word_however_an_editor_wrote_it(good_store, tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_text("word,label,decision\nMain-d’œuvre,avion,Biais\n'@Vigie,avion,bias\n", encoding="utf-8")
    decisions.put(good_store, path)
    assert decisions.read(path)["decision"].to_list() == ["bias", "bias"]  # the French report says `biais`
    catalog.refresh(good_store)
    assert catalog.run_sql(good_store, "SELECT word FROM decisions ORDER BY word").rows() == [
        ("@vigie",),
        ("main-d'œuvre",),
    ]


def test_whether_authors_make_an_error_is_not_said_of_words_that_were_not_edited(good_store):
    found = catalog.run_sql(good_store, "SELECT DISTINCT by_author FROM word_label_verdict WHERE edited_tweets IS NULL")
    assert found.rows() == [(None,)]


def test_refresh_says_what_it_takes_the_place_of_and_which_label_nobody_has(good_store, tmp_path):
    words, review = tmp_path / "concepts.toml", tmp_path / "decisions.csv"
    words.write_text('"avion" = ["vol"]\n"viandes" = ["steak"]', encoding="utf-8")
    review.write_text("word,label,decision\ntrain,avion,bias\nvol,avion,unsure\n")
    command = ["refresh", "--store", str(good_store.root), "--concepts", str(words), "--decisions", str(review)]
    first = CliRunner().invoke(app, command)
    assert "2 decisions from" in first.output
    assert "in place of" not in first.output
    assert "has the label viandes:" in " ".join(first.output.split())
    review.write_text("word,label,decision\n")
    assert "0 decisions from" in (again := " ".join(CliRunner().invoke(app, command).output.split()))
    assert "in place of the 2 before" in again


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig"])
def test_decisions_are_read_as_a_french_spreadsheet_saves_them(good_store, tmp_path, encoding):
    path = tmp_path / "decisions.csv"
    path.write_bytes("word;label;decision;note\nété;avion;bias;déjà vu, deux fois\n".encode(encoding))
    decisions.put(good_store, path)
    assert good_store.scan("decisions").select("word", "note").collect().rows() == [("été", "déjà vu, deux fois")]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("word,label\na,b\n", "decision"),
        ("word,label,decision\na,b,maybe\n", "maybe"),
        ("word,label,decision\na,,bias\n", "no label"),
        ("word,label,decision\na,b,bias\nA,b,unsure\n", "two decisions on 'a'"),
        ("", "decision"),
    ],
)
def test_a_bad_decision_is_named_and_changes_nothing(good_store: Store, tmp_path: Path, body: str, named: str) -> None:
    path = tmp_path / "review.csv"
    path.write_text(body, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        decisions.put(good_store, path)
    assert not good_store.has_part("decisions", "current")


def test_unseen_words(good_store: Store) -> None:
    names = {"le": (1, 0), "nucléaire": (4, 1), "absent": (1, 1)}
    rows = [{"model_version": "m1", "word": w, "pieces": n, "unknown": u} for w, (n, u) in names.items()]
    put(good_store, "pieces", "m1", [*rows, {"model_version": "m2", "word": "le", "pieces": 1, "unknown": 1}])
    assert ask(good_store, "unseen_words", kind=None) == [("nucléaire", "word", 4, 1, 0.25, 1)]
    assert ask(good_store, "unseen_words") == []


def test_concept_suggestions(good_store: Store) -> None:
    """Of 30 tweets, 10 are about `avion`; `avions` stands in 6, all of them its own, and resembles `#avion`."""
    holds = [
        ["avions", "donc"] if n < 6 else ["@air"] if n < 10 else ["donc"] if n < 16 else ["rien"] for n in range(30)
    ]
    rows = [training(f"s{n}", n, "avion" if n < 10 else "viande", words) for n, words in enumerate(holds)]
    put(good_store, "training_words", "m1", rows)
    put(good_store, "concepts", "c", [{"label": "avion", "word": "#avion"}])
    catalog.refresh(good_store)
    rows = ask(good_store, "concept_suggestions", top="5")
    z = (1 - 1 / 3) / (2 / 9 / 6) ** 0.5
    assert rows[0] == ("avion", "avions", "word", 6, 1.0, pytest.approx(z), "#avion")
    assert {row[1] for row in rows} == {"avions", "rien"}  # donc goes with neither, an account is never proposed


def test_word_effects(good_store: Store) -> None:
    # t1: avion loses a difference of 1 logit, 0.5 centred; t3: nothing. Two tweets of one author: the error is by tweet
    edits = [edit("t1", (2.0, 0.0, 0.9), (1.0, 0.0, 0.7), "av"), edit("t3", (0.0, 1.0, 0.5), (0.0, 1.0, 0.5), "vv")]
    put(good_store, "effects", "e", edits)
    put(good_store, "effects", "older", [edit("t1", (9.0, 0.0, 1.0), (0.0, 0.0, 0.5), "aa", computed_at=None)])
    catalog.refresh(good_store)
    low, high = 0.25 - STUDENT_1 * 0.25, 0.25 + STUDENT_1 * 0.25
    assert ask(good_store, "word_effects", label="avion") == near(
        [("le", "candidate", "delete", "avion", 2, 0.25, low, high, 0.1, 0.5, None)]
    )
    assert ask(good_store, "word_effects", word="train") == []


def test_an_effect_needs_controls_and_both_edits(good_store: Store) -> None:
    big = ((3.0, -3.0, 0.99), (0.0, 0.0, 0.5), "av")
    edits = [edit(key, *big, edit=kind) for key in ("t1", "t3") for kind in ("delete", "replace")]
    small = ((0.1, 0.0, 0.5), (0.0, 0.0, 0.5), "aa")
    controls = [
        edit(key, *small, edit=kind, word="neutre", role="control")
        for key in ("t2", "t5")
        for kind in ("delete", "replace")
    ]
    put(good_store, "effects", "e", [*edits, *controls])
    catalog.refresh(good_store)
    found = catalog.run_sql(good_store, "SELECT * FROM word_label_effect WHERE word = 'le' AND label = 'avion'")
    row = found.row(0, named=True)
    assert (row["mean_score"], row["edits"], row["floor"]) == (pytest.approx(3.0), 2, pytest.approx(0.05))


def test_word_drift_compares_training_with_predictions(good_store: Store) -> None:
    # every explained tweet was called avion; in training le was avion in 1 of 2 documents, vert in none, train in all
    assert ask(good_store, "word_drift", min_tweets="1", label="avion") == near(
        [
            ("vert", "word", "avion", 1, 0.0, 1, 1.0, 1.0),
            ("le", "function", "avion", 2, 0.5, 2, 1.0, 0.5),
            ("train", "word", "avion", 2, 1.0, 2, 1.0, 0.0),
        ]
    )


def test_label_shares_over_time_leave_tweets_without_a_time_out(good_store: Store) -> None:
    texts = {"t1": "le train", "t2": "train vert train", "t3": "le nucléaire"}
    dated = [tweet(key, text, created_at=DAY, seen_at=LATER) for key, text in texts.items()]
    put(good_store, "tweets", "p3", dated)
    rows = ask(good_store, "label_shares_over_time")
    assert [(row[0].isoformat(), *row[1:4]) for row in rows] == [
        ("2024-03-01", "v1", "avion", 2),
        ("2024-03-01", "v1", "viande", 1),
    ]
    z, n, p = 1.96, 3, 2 / 3
    middle, half = p + z**2 / (2 * n), z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert rows[0][4:] == (
        pytest.approx(p),
        pytest.approx((middle - half) / (1 + z**2 / n)),
        pytest.approx((middle + half) / (1 + z**2 / n)),
    )


def test_a_month_without_a_label_has_a_share_of_0(good_store: Store) -> None:
    texts = {"t1": "le train", "t2": "train vert train"}
    put(good_store, "tweets", "p3", [tweet(k, text, created_at=DAY, seen_at=LATER) for k, text in texts.items()])
    rows = ask(good_store, "label_shares_over_time")
    assert [row[2:5] for row in rows] == [("avion", 2, 1.0), ("viande", 0, 0.0)]
    assert rows[1][5] == 0 < rows[1][6]


def test_word_authors(good_store: Store) -> None:
    assert ask(good_store, "word_authors", label="avion", min_tweets="2") == near(
        [("train", "avion", 2, 1, 1.0, 1.0, None), ("le", "avion", 2, 1, 1.0, -0.1, None)]
    )
    put(good_store, "tweets", "p3", [tweet("t3", "le nucléaire", author="b", seen_at=LATER)])
    # a and b wrote le once each: of equals the later name is the larger, which leaves t1 with 0.1
    assert ask(good_store, "word_authors", label="avion", word="le") == []
    assert ask(good_store, "word_authors", label="avion", word="le", min_tweets="1") == near(
        [("le", "avion", 2, 2, 0.5, -0.1, 0.1)]
    )


def test_bias_diff_compares_models_in_units_of_their_own_spread(good_store: Store) -> None:
    assert ask(good_store, "bias_diff", min_tweets="1") == []
    model = {"model_version": "m2", "serving_version": "v2", "name": "other", "labels": ["avion", "viande"]}
    put(good_store, "models", "v2", [{**model, "manifest": "{}", "seen_at": LATER}])
    put(good_store, "designs", "m2", [{**design("m2", "ig"), "model_version": "m2"}])
    put(good_store, "draws", "m2", [{"design_id": "m2", "tweet_id": "t1", "key": "all", "pi": 1.0}])
    pushes = (("avion", [0.3, 4.0]), ("viande", [0.1, 0.0]))
    rows = [explanation("t1", label, push, model_version="m2", computed_at=LATER) for label, push in pushes]
    put(good_store, "explanations", "m2", rows)
    catalog.refresh(good_store)
    rows = ask(good_store, "bias_diff", min_tweets="1")
    # m2: le 0.1, train 2.0 and the same with the other sign; m1: the six scores of conftest, twice
    unit_2, unit_1 = sqrt(2 * (0.01 + 4) / 4), sqrt(2 * (0.01 + 0.09 + 1 + 1 + 0.0625 + 1) / 12)
    found = {(row[0], row[2]): row[7:10] for row in rows}
    assert found["train", "avion"] == near([(2 / unit_2, 1 / unit_1, 2 / unit_2 - 1 / unit_1)])[0]
    assert {row[3:5] for row in rows} == {("m2", "m1")}
    assert {row[0] for row in rows} == {"le", "train"}


def test_bias_diff_compares_explanations_of_one_kind(good_store: Store) -> None:
    """m2 was explained from two baselines: each word is compared once, over the one that m1 has too."""
    model = {"model_version": "m2", "serving_version": "v2", "labels": ["avion", "viande"], "seen_at": DAY}
    put(good_store, "models", "v2", [model])
    for baseline in ("mask", "zero"):
        name, scope = f"m2-{baseline}", {"model_version": "m2", "baseline": baseline}
        put(good_store, "designs", name, [{**design(name, "ig"), **scope}])
        put(good_store, "draws", name, [{"design_id": name, "tweet_id": "t1", "key": "all", "pi": 1.0}])
        pushes = (("avion", [0.3, 4.0]), ("viande", [0.1, 0.0]))
        rows = [explanation("t1", label, push, computed_at=DAY, **scope) for label, push in pushes]
        put(good_store, "explanations", name, rows)
    catalog.refresh(good_store)
    rows = ask(good_store, "bias_diff", model="m1", min_tweets="1")
    assert sorted((row[0], row[2]) for row in rows) == [(w, x) for w in ("le", "train") for x in ("avion", "viande")]


def test_bias_diff_compares_with_the_model_explained_before_whatever_its_baseline(good_store: Store) -> None:
    """m0 was explained long ago from the baseline of m1, m2 just before it from another."""
    for at, (name, baseline) in enumerate([("m0", "mask"), ("m2", "zero")]):
        scope = {"model_version": name, "baseline": baseline}
        model = {"model_version": name, "serving_version": f"v-{name}", "labels": ["avion", "viande"], "seen_at": DAY}
        put(good_store, "models", name, [model])
        put(good_store, "designs", name, [{**design(name, "ig"), **scope}])
        put(good_store, "draws", name, [{"design_id": name, "tweet_id": "t1", "key": "all", "pi": 1.0}])
        when = DAY - timedelta(days=2 - at)
        pushes = (("avion", [0.3, 4.0]), ("viande", [0.1, 0.0]))
        rows = [explanation("t1", label, push, computed_at=when, **scope) for label, push in pushes]
        put(good_store, "explanations", name, rows)
    catalog.refresh(good_store)
    found = catalog.run_query(good_store, sqlfiles.query("bias_diff"), {"min_tweets": "1"})
    assert set(found["other"]) == {"m2"}


def test_effects_of_a_model_take_its_own_candidates_and_controls(good_store: Store) -> None:
    for name in ("effect_candidates", "control_words"):
        assert ask(good_store, name, min_tweets="1", model="m1") == ask(good_store, name, min_tweets="1")
        assert ask(good_store, name, min_tweets="1", model="m2") == []


def test_a_control_word_that_goes_with_a_label_sets_no_floor(good_store: Store) -> None:
    """It was none when it was edited; since then the training words, or the list of concept words, say otherwise."""
    nothing = ((0.1, 0.0, 0.5), (0.0, 0.0, 0.5), "aa")
    words = ("le", "train", "tie")  # the second is a concept word, the third always goes with avion
    put(
        good_store, "effects", "e", [edit(key, *nothing, word=w, role="control") for w in words for key in ("t1", "t3")]
    )
    tied = [training(f"k{n}", 100 + n, "avion" if n < 9 else "viande", ["tie"] if n < 9 else ["x"]) for n in range(18)]
    put(good_store, "training_words", "m1", tied)
    catalog.refresh(good_store)
    found = catalog.run_sql(good_store, "SELECT DISTINCT word FROM control_means WHERE measure = 'delete'")
    assert found["word"].to_list() == ["le"]


def test_decisive_words_push_more_than_the_whole_lead(good_store: Store) -> None:
    assert ask(good_store, "decisive_words") == []  # only train would, and it is a concept word
    put(good_store, "concepts", "c", [{"label": "viande", "word": "vert"}])
    # t2: avion 2.25 leads viande 0.75; train pushes 1.0 to the one and -1.0 to the other
    assert ask(good_store, "decisive_words") == near(
        [("t2", "avion", "viande", "train", "word", 2.0, 1.5, "train vert train")]
    )


def test_close_calls(good_store: Store) -> None:
    assert ask(good_store, "close_calls", max_lead="1.4", min_tweets="1") == []
    assert ask(good_store, "close_calls", max_lead="1.6", min_tweets="1") == near(
        [("avion", "viande", "train", "word", 1, 2.0), ("avion", "viande", "vert", "word", 1, -0.5)]
    )


def test_companions_are_words_that_hide_one_another(good_store: Store) -> None:
    """`but` stands in eight tweets, `fou` in seven of them, and both push towards avion; `donc` pushes nowhere."""
    rows = []
    for number in range(8):
        pushes = {"but": 4 + number % 2 / 5, "donc": 0.0} | ({"fou": 2 + number % 2 / 5} if number < 7 else {})
        for target, sign in (("avion", 1), ("viande", 0)):
            words = [{"word": word, "surface": word, "start": 0, "stop": 3, "score": sign * push}
                     for word, push in pushes.items()]  # fmt: skip
            rows.append({**explanation("t1", target, [0.0, 0.0]), "tweet_id": f"c{number}", "words": words})
    put(good_store, "explanations", "c", rows)
    put(good_store, "tweets", "c", [tweet(f"c{number}", f"texte {number}") for number in range(8)])
    put(good_store, "draws", "c", [{"design_id": "d", "tweet_id": f"c{n}", "key": "all", "pi": 1.0} for n in range(8)])
    taught = [("avion", ["but", "fou"]), ("viande", ["autre"])] * 8  # who goes with no label is a control word
    put(good_store, "training_words", "c", [training(f"c{n}", 10 + n, *one) for n, one in enumerate(taught)])
    changes = {"but": ((2.0, 0.0, 0.9), (1.0, 0.0, 0.7)), "fou": ((2.0, 0.0, 0.9), (2.0, 0.0, 0.9))}
    edits = [edit(f"c{n}", *change, "aa", word=word) for word, change in changes.items() for n in range(2)]
    put(good_store, "effects", "c", edits)
    catalog.refresh(good_store)
    but, fou = (4 * 2.0 + 4 * 2.1) / 8, (4 * 1.0 + 3 * 1.1) / 7
    expected = [
        ("fou", "avion", "but", 7, 1.0, fou, but, 0.0, 0.0, 0.5, "weak"),
        ("but", "avion", "fou", 8, 7 / 8, but, fou, 0.5, 0.5, 0.0, "weak"),
    ]
    assert ask(good_store, "companions", label="avion") == near(expected)
    assert ask(good_store, "companions", label="avion", share="0.9") == near(expected[:1])
    assert ask(good_store, "companions", word="but", label="viande") == near(
        [("but", "viande", "fou", 8, 7 / 8, -but, -fou, -0.5, -0.5, 0.0, "weak")]
    )
