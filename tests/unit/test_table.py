"""Labelled tables in every format mean the same, and what cannot be used is counted by reason."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from camembias.errors import InputError
from train import corpus, table

TEXTS = {
    "avion": ["Le vol de nuit fait du bruit", "Un billet pour Lisbonne, vite", "Encore un retard à l'embarquement"],
    "viande": ["Le steak haché est trop cuit", "Une côte de bœuf pour dimanche", "Ce boucher ferme à midi pile"],
}
ROWS = [
    {"tweet_id": str(10**18 + 3 * row + (label == "viande")), "text": text, "label": label, "author": f"a{row}"}
    for label, texts in TEXTS.items()
    for row, text in enumerate(texts)
]


def write(folder: Path, name: str, rows: list[dict[str, str]] = ROWS, encoding: str = "utf-8") -> Path:
    path = folder / name
    frame = pl.DataFrame(rows)
    kind = name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        frame.write_parquet(path)
        return path
    bodies = {
        "csv": lambda: frame.write_csv(),
        "tsv": lambda: frame.write_csv(separator="\t"),
        "ndjson": lambda: frame.write_ndjson(),
        "json": lambda: json.dumps({row["tweet_id"]: {k: row[k] for k in row if k != "tweet_id"} for row in rows}),
    }
    content = bodies[kind]().encode(encoding)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


NAMES = ["t.csv", "t.tsv", "t.ndjson", "t.json", "t.parquet", "t.csv.gz", "t.ndjson.gz", "t.json.gz"]


@pytest.mark.parametrize("name", NAMES)
def test_every_format_gives_the_same_rows(tmp_path, name):
    found = table.read(write(tmp_path, name))
    assert found.rows.drop("duplicate_group").to_dicts() == ROWS
    assert found.columns == {"text": "text", "label": "label", "id": "tweet_id", "author": "author"}
    assert found.guessed == ["text", "label", "id", "author"]


def test_many_files_a_folder_and_a_pattern_are_one_table(tmp_path):
    paths = [write(tmp_path, "a.csv", ROWS[:3]), write(tmp_path, "b.ndjson", ROWS[3:])]
    for given in (paths, tmp_path, [tmp_path / "*"], [*paths, paths[0]]):
        assert table.read(given).rows.drop("duplicate_group").to_dicts() == ROWS


def test_what_other_programs_leave_in_a_folder_is_no_table(tmp_path):
    write(tmp_path, "a.csv")
    for name in ("_SUCCESS", ".DS_Store", ".a.csv"):
        (tmp_path / name).write_bytes(b"\0\xff")
    assert table.read(tmp_path).rows.drop("duplicate_group").to_dicts() == ROWS


@pytest.mark.parametrize("line", ['9,"bonjour tout le monde,avion,a9', '9,bonjour,avion,"a9'])
def test_a_quote_left_open_costs_its_own_line(tmp_path, line):
    path = write(tmp_path, "t.csv")
    before, *behind = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([before, line, *behind]) + "\n", encoding="utf-8")
    found = table.read(path)
    assert found.rows.drop("duplicate_group").to_dicts() == ROWS
    assert found.dropped == {"row cannot be read": 1}


@pytest.mark.parametrize(("start", "encoding"), [(b"\xef\xbb\xbf", "utf-8"), (b"", "utf-16")])
def test_a_byte_order_mark_is_no_part_of_a_column_name(tmp_path, start, encoding):
    path = write(tmp_path, "t.csv", encoding=encoding)
    path.write_bytes(start + path.read_bytes())
    assert table.read(path).columns["id"] == "tweet_id"


def test_semicolons_of_a_french_spreadsheet(tmp_path):
    (tmp_path / "t.csv").write_text(pl.DataFrame(ROWS).write_csv(separator=";"), encoding="utf-8")
    assert table.read(tmp_path / "t.csv").rows.drop("duplicate_group").to_dicts() == ROWS


@pytest.mark.parametrize(("text", "named"), [("bœuf à midi", "cp1252"), ("été", "cp1252"), ("été\x81", "latin-1")])
def test_another_encoding_is_recognised_and_can_be_named(tmp_path, text, named):
    rows = [{**ROWS[0], "text": f"{text} et la suite"}, *ROWS[1:]]
    body = pl.DataFrame(rows).write_csv()
    (tmp_path / "t.csv").write_bytes(
        body.replace("œ", "oe").encode("latin-1") if named == "latin-1" else body.encode("cp1252")
    )
    with pytest.raises(InputError, match=f"--encoding {named}"):
        table.read(tmp_path / "t.csv")
    assert table.read(tmp_path / "t.csv", encoding=named).rows["text"][0].startswith(text.removesuffix("\x81"))


def test_what_cannot_be_used_is_left_out_by_a_rule(tmp_path):
    odd = [
        {**ROWS[0], "text": "un autre texte, le même identifiant"},
        {**ROWS[0], "tweet_id": "1", "text": "  \u200b "},
        {**ROWS[0], "tweet_id": "2", "label": ""},
        {**ROWS[0], "tweet_id": "3", "label": "autre"},
        {**ROWS[0], "tweet_id": "4", "text": "Qui croire, au juste ?"},
        {**ROWS[3], "tweet_id": "5", "text": "RT @untel: qui croire, au juste ?"},
    ]
    path = write(tmp_path, "t.csv", ROWS + odd)
    path.write_text(path.read_text(encoding="utf-8") + "trop,peu\n", encoding="utf-8")
    found = table.read(path, drop=["autre"])
    assert found.rows.drop("duplicate_group").to_dicts() == ROWS
    assert found.dropped == {
        "id seen before": 1,
        "no text": 1,
        "no label": 1,
        "label dropped": 1,
        "same text under two labels": 2,
        "row cannot be read": 1,
    }
    assert found.examples["same text under two labels"] == ["4", "5"]


def test_labels_are_renamed_whatever_their_unicode_form(tmp_path):
    rows = [{**row, "label": "de\u0301croissance" if row["label"] == "avion" else "steak"} for row in ROWS]
    found = table.read(write(tmp_path, "t.json", rows), rename={"steak": "viande"})
    assert set(found.rows["label"]) == {"décroissance", "viande"}


def test_the_first_column_that_is_not_empty_wins(tmp_path):
    rows = [{**row, "whole": "Le texte entier, pour une fois" if not n else ""} for n, row in enumerate(ROWS)]
    found = table.read(write(tmp_path, "t.csv", rows), table.Columns(text="whole, text"))
    assert found.rows["text"].to_list() == ["Le texte entier, pour une fois", *(row["text"] for row in ROWS[1:])]


def test_a_label_that_is_a_number_is_a_label_and_a_gap_is_none(tmp_path):
    kinds = {"avion": [0, False, 0.0], "viande": [1, True, 1.0]}
    for place, expected in enumerate([{"0", "1"}, {"False", "True"}, {"0", "1"}]):
        rows = [{**row, "label": kinds[row["label"]][place]} for row in ROWS]
        (tmp_path / "t.ndjson").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
        for name in ("t.ndjson", "t.parquet"):
            assert set(table.read(tmp_path / name).rows["label"]) == expected
    gap = {**ROWS[0], "tweet_id": "7", "label": float("nan"), "author": float("nan")}
    (tmp_path / "t.ndjson").write_text("\n".join(map(json.dumps, [*ROWS, gap])), encoding="utf-8")
    found = table.read(tmp_path / "t.ndjson")
    assert found.rows.drop("duplicate_group").to_dicts() == ROWS
    assert found.dropped == {"no label": 1}


def test_without_ids_two_files_of_one_name_are_two_files(tmp_path):
    rows = [{name: row[name] for name in ("text", "label")} for row in ROWS]
    for folder, part in (("x", rows[:3]), ("y", rows[3:])):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, "t.csv", part)
    found = table.read([tmp_path / "x", tmp_path / "y"])
    assert found.dropped == {}
    assert found.rows["text"].to_list() == [row["text"] for row in ROWS]


def test_an_author_who_is_a_rounded_number_is_not_known(tmp_path):
    authors = [1.2e18, float("nan"), 12345.0, "1,2E+18", {"name": "x"}, 77]
    rows = [{**row, "author": author} for row, author in zip(ROWS, authors, strict=True)]
    (tmp_path / "t.ndjson").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert table.read(tmp_path / "t.ndjson").rows["author"].to_list() == [None, None, "12345", None, None, "77"]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, {"columns": table.Columns(text="body")}, "no column 'body'; it has: tweet_id, text"),
        ({}, {"drop": ["nucléaire"]}, "no label 'nucléaire'"),
        ({"tweet_id": "1.5e+18"}, {}, "export ids as text"),
        ({"tweet_id": "1,61E18"}, {}, "export ids as text"),
        ({"tweet_id": "1610000000000000000.0"}, {}, "export ids as text"),
        ({"label": "seul"}, {}, "label 'avion' has 2 example"),
        ({}, {"drop": ["avion"]}, "a classifier needs two"),
        ({}, {"encoding": "utf-99"}, "--encoding 'utf-99' is unknown"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(tmp_path, change, arguments, message):
    path = write(tmp_path, "t.csv", [{**ROWS[0], **change}, *ROWS[1:]])
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        table.read(path, **arguments)
    assert "\n" not in str(caught.value)


def test_one_tweet_suffices_to_judge_a_model(tmp_path):
    found = table.read(write(tmp_path, "t.csv", ROWS[:1]), to_train=False)
    assert found.rows.drop("duplicate_group").to_dicts() == ROWS[:1]


def test_a_broken_file_is_one_line(tmp_path):
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"tweet_id,text,label\n" * 99)[:-9])
    (tmp_path / "bad.json").write_text("{oops")
    (tmp_path / "empty.csv").write_text("")
    for name in ("cut.csv.gz", "bad.json", "empty.csv", "none.csv"):
        with pytest.raises(InputError):
            table.read(tmp_path / name)


def test_a_corpus_holds_each_text_once_and_the_same_are_held_out_in_any_order(tmp_path):
    lines = [f"Le numéro {n} parle du train de {n} heures" for n in range(200)]
    (tmp_path / "one.txt").write_text("\n".join([*lines, f"RT @x: {lines[0]}", "", lines[1]]), encoding="utf-8")
    (tmp_path / "two.txt").write_text("\n".join(lines[::-1]), encoding="utf-8")
    one, two = corpus.read(tmp_path / "one.txt"), corpus.read(tmp_path / "two.txt")
    assert (one.train, one.held_out) == (two.train, two.held_out)
    assert sorted(one.train + one.held_out) == sorted(lines)
    assert one.dropped == {"no text": 1, "text seen before": 2}
