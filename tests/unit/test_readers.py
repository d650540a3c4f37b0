"""Every row of a hostile file is a tweet or a refused row with its line, and memory stays bounded."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch import lines, readers, rows
from batch.readers import CHUNK_ROWS, chunks
from batch.sources import Source, expand
from camembias.errors import InputError
from camembias.lines import csv_records


def read(path: Path, **columns: str) -> tuple[list[str], list[tuple[int, str]]]:
    """Ids of the tweets and (line, reason) of the refused rows; every row is one or the other."""
    found = list(chunks(Source(path, **columns)))
    tweets = [tweet.tweet_id for chunk in found for tweet in chunk.tweets]
    refused = [(line, reason) for chunk in found for line, reason, _ in chunk.rejects]
    assert sum(chunk.rows_in for chunk in found) == len(tweets) + len(refused)
    return tweets, refused


def file(folder: Path, name: str, body: bytes) -> Path:
    (folder / name).write_bytes(body)
    return folder / name


HEAD = b"tweet_id,text\n"
HOSTILE: dict[str, tuple[bytes, list[str], list[int]]] = {  # body, ids of the tweets, lines of the refused rows
    "NUL bytes": (HEAD + b"1,a\0b\n2,c\n3\0,d\n", ["1", "2", "3\0"], []),
    "invalid UTF-8": (HEAD + b"1,a\n2,\xff\xfe\n3,b\n", ["1", "3"], [3]),
    "a line of 1 MB": (HEAD + b"1,a\n2," + b"x" * (1 << 20) + b"\n3,b\n", ["1", "3"], [3]),
    "a line of 5 MB": (HEAD + b"1,a\n2," + b"x" * (5 << 20) + b"\n3,b\n", ["1", "3"], [3]),
    "a long line within quotes": (HEAD + b'1,"a\n' + b"x" * (2 << 20) + b'"\n3,b\n', ["3"], [2, 3]),
    "a quote left open": (HEAD + b'1,"a\n2,b\n3,c\n', ["2", "3"], [2]),
    "a quote left open before a quoted row": (HEAD + b'1,"a\n2,b\n3,"c"\n4,d\n', ["2", "3", "4"], [2]),
    "a quote left open in a long file": (
        HEAD + b'0,"a\n' + b"".join(b"%d,some text\n" % i for i in range(1, 15_000)),
        [str(i) for i in range(1, 15_000)],
        [2],
    ),
    "stray quotes": (HEAD + b'1,"he said "no" twice"\n2,5" wide\n', ["1", "2"], []),
    "line breaks within quotes": (HEAD + b'1,"a\n\nb"\n,x\n', ["1"], [5]),
    "100,000 columns in a row": (HEAD + b"1,a\n2" + b",x" * 99_999 + b"\n3,b\n", ["1", "3"], [3]),
    "ids as floats": (HEAD + b"1.2e+18,a\n123.0,b\n1E18,c\n4,d\n", ["4"], [2, 3, 4]),
    "ids as French floats": (b"tweet_id;text\n1,61E+18;a\n1,5;b\n4;d\n", ["4"], [2, 3]),
    "BOM and CRLF": (b"\xef\xbb\xbftweet_id,text\r\n1,a\r\n,b\r\n3,c\r\n", ["1", "3"], [3]),
    "lone carriage returns": (b"tweet_id,text\r1,a\r2,\r", ["1"], [3]),
    "a huge id": (HEAD + b"9" * 1000 + b",a\n2,b\n", ["2"], [2]),
    "no line end at the end": (HEAD + b'1,a\n2,"b"', ["1", "2"], []),
    "semicolons": (b'tweet_id;text\n1;a, b, c\n2;"d; e"\n3;f;g\n', ["1", "2"], [4]),
    "tabs": (b"tweet_id\ttext\n1\ta, b; c\n2\t\n", ["1"], [3]),
    "blank lines": (HEAD + b"\n1,a\n\n\n2,\n", ["1"], [6]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_every_row_of_a_hostile_csv_is_accounted_for(name, tmp_path):
    body, ids, refused = HOSTILE[name]
    path = file(tmp_path, "t.csv", body)
    plain = read(path)
    assert (plain[0], [line for line, _ in plain[1]]) == (ids, refused)
    packed = file(tmp_path, "t.csv.gz", gzip.compress(body, 1))
    assert read(packed) == plain


def test_a_wide_header_is_read(tmp_path):
    names = ",".join(f"c{i}" for i in range(99_998))
    row = "," * 99_998
    path = file(tmp_path, "wide.csv", f"tweet_id,text,{names}\n1,a{row}\n2,b\n".encode())
    assert read(path) == (["1"], [(3, "2 fields, the header has 100000")])


def tweets(path, **how):
    return [tweet for chunk in chunks(Source(path, **how)) for tweet in chunk.tweets]


def test_columns_are_guessed_whatever_they_are_called(tmp_path):
    body = "Id;Texte;Auteur;Date\n1;l'été;moi;18/01/2023 04:40\n2;b;;01/02/2023\n3;c;lui;32/01/2023\n"
    found = tweets(file(tmp_path, "t.csv", body.encode()))
    assert [(one.tweet_id, one.text, one.author) for one in found] == [("1", "l'été", "moi"), ("2", "b", None),
                                                                      ("3", "c", "lui")]  # fmt: skip
    at = [datetime(2023, 1, 18, 4, 40, tzinfo=UTC), datetime(2023, 2, 1, tzinfo=UTC), None]
    assert [one.created_at for one in found] == at
    named = tweets(file(tmp_path, "u.csv", body.replace("Auteur", "Qui").encode()), author_column="Qui")
    assert [one.author for one in named] == ["moi", None, "lui"]
    with pytest.raises(InputError, match="no column 'Quand'"):
        tweets(file(tmp_path, "t.csv", body.encode()), time_column="Quand")


def test_what_is_in_a_stream_is_read_object_by_object(tmp_path):
    lines_ = [
        {"id": 1, "text": "a", "user": {"followers": 3}, "timestamp": 1_700_000_000},
        {"id_str": "2", "full_text": "b", "user": "moi", "timestamp": "1700000000000"},
        {"tweet_id": "", "id": 3, "text": "", "content": "not the text, where there is one", "created_at": "oops"},
    ]
    path = file(tmp_path, "t.ndjson", "\n".join(map(json.dumps, lines_)).encode())
    assert [(one.tweet_id, one.text, one.author) for one in tweets(path)] == [("1", "a", None), ("2", "b", "moi")]
    assert {one.created_at for one in tweets(path)} == {datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)}
    assert read(path)[1] == [(3, "no text")]


@pytest.mark.parametrize(("written", "told"), [("cp1252", "cp1252"), ("utf-16", None), ("utf-8-sig", "utf-8")])
def test_a_text_file_is_read_in_its_encoding(tmp_path, written, told):
    path = file(tmp_path, "t.csv", "tweet_id,text\n1,l'été\n2,b\n".encode(written))
    assert [one.text for one in tweets(path, encoding=told)] == ["l'été", "b"]
    if written == "cp1252":
        assert read(path) == (["2"], [(2, "not UTF-8: say what it is with --encoding, as cp1252")])
        assert Source(path).identity != Source(path, encoding="cp1252").identity  # so that it is read again


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("e.csv", b"", "is empty"),
        ("h.csv", HEAD, "no rows"),
        ("u.csv", "tweet_id,text\n1,a\n".encode("utf-16")[:7], "cannot be read"),
        ("z.csv.gz", b"not gzip", "cannot be read"),
        ("p.parquet", b"not parquet at all", "cannot be read"),
        ("n.csv", b"tweet_id,body\n1,a\n", "no column 'text'"),
        ("i.csv", b"name,text\n1,a\n", "no id column"),
        ("b.docx", b"PK", "ends in '.docx'"),
        ("q.csv", b'"tweet_id,text\n' + b"1,a\n" * 40_000, "is no CSV"),
    ],
)
def test_what_is_no_table_is_one_clear_error(name, body, said, tmp_path):
    with pytest.raises(InputError, match=said) as caught:
        read(file(tmp_path, name, body))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("columns", ["", " , "])
def test_a_text_column_without_a_name_is_no_column(columns, tmp_path):
    path = file(tmp_path, "t.csv", HEAD + b"1,a\n")
    with pytest.raises(InputError, match="names no column"):
        readers.check(Source(path, columns))


def test_the_rows_before_a_truncation_are_kept(tmp_path):
    noise = "".join(f"{i},{hash((i, 'x'))}\n" for i in range(15_000))
    whole = gzip.compress(HEAD + noise.encode())
    found: list[str] = []
    source = Source(file(tmp_path, "cut.csv.gz", whole[: len(whole) // 2]))
    with pytest.raises(InputError, match="cannot be read after row"):
        found.extend(tweet.tweet_id for chunk in chunks(source) for tweet in chunk.tweets)
    assert len(found) > CHUNK_ROWS
    assert found == [str(i) for i in range(len(found))]


def test_hostile_ndjson(tmp_path):
    deep = "[" * 100_000
    rows_ = ['{"id": 1, "text": "a"}', "oops", "[1]", '{"id": 1e18, "text": "a"}', '{"id": true, "text": "a"}', deep]
    rows_ += ['{"id": "5", "text": "\\ud83d\\ude00"}', '{"id": "6", "text": "\\ud83d"}', '{"id": 7}', "", '{"id": [8]}']
    rows_ += ['{"id": 9, "text": "' + "x" * (1 << 20) + '"}', '{"id": 10, "text": "b", "created_at": "nonsense"}']
    ids, refused = read(file(tmp_path, "t.ndjson", "\n".join(rows_).encode()))
    assert ids == ["1", "5", "10"]
    assert [line for line, _ in refused] == [2, 3, 4, 5, 6, 8, 9, 11, 12]


def test_the_first_text_of_a_chain_that_is_not_empty_counts(tmp_path):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"id": ["1", "2", "3"], "full": ["whole", " ", None], "text": ["who…", "b", None]})
    frame.write_parquet(path)
    found = [tweet.text for chunk in chunks(Source(path, "full,text")) for tweet in chunk.tweets]
    assert found == ["whole", "b"]
    with pytest.raises(InputError, match="no column 'body'"):
        read(path, text_column="full,body")


def test_float_ids_of_parquet_are_refused_and_times_understood(tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"id": [1.0, 2.0], "text": ["a", "b"]}).write_parquet(path)
    assert [line for line, _ in read(path)[1]] == [1, 2]
    for when, hour in (("Wed Oct 10 20:19:24 +0000 2018", 20), ("2018-10-10T20:19:24+02:00", 18), ("x", None)):
        tweet = rows.to_tweet({"id": "1", "text": "a", "created_at": when}, Source(path), 1)
        assert isinstance(tweet, rows.Tweet)
        assert (tweet.created_at and tweet.created_at.hour) == hour
    early = {"id": "1", "text": "a", "created_at": "0001-01-01T00:00:00+14:00"}
    assert isinstance(rows.to_tweet(early, Source(path), 1), rows.Tweet)


@pytest.mark.parametrize(
    ("author", "name"),
    [(1.2e18, None), (float("nan"), None), (12345.0, "12345"), ("1.2e+18", None), ({"name": "x"}, None), (7, "7")],
)
def test_an_author_who_is_a_rounded_number_is_not_known(author, name):
    found = rows.to_tweet({"id": "1", "text": "a", "author": author}, Source(Path("t.ndjson")), 1)
    assert isinstance(found, rows.Tweet)
    assert found.author == name


CELL = st.text(st.sampled_from('ab",\n é🎈'), min_size=1, max_size=12).filter(str.strip)


@settings(max_examples=80, deadline=None)
@given(st.lists(CELL, min_size=1, max_size=12), st.data())
def test_csv_round_trips_and_one_open_quote_costs_one_row(texts, data):
    def written(values: list[str]) -> list[str]:
        body = io.StringIO()
        csv.writer(body, lineterminator="\n").writerow(values)
        return [body.getvalue()]

    table = [written([str(i), text])[0] for i, text in enumerate(texts)]

    def parsed(body: str) -> list[list[str] | None]:
        return [values for _, values, _ in csv_records(lines.Lines(io.StringIO(body, newline="")), ",")]

    assert parsed("".join(table)) == [[str(i), text] for i, text in enumerate(texts)]
    at = data.draw(st.integers(0, len(table)))
    plain = ["x,plain\n" for _ in table]
    broken = [*plain[:at], 'y,"open\n', *plain[at:]]
    assert parsed("".join(broken)).count(["x", "plain"]) == len(table)


def test_memory_is_bounded_by_the_line_not_the_file(tmp_path):
    text = io.StringIO("x" * (3 * lines.LINE_LIMIT) + "\nshort\n")
    assert list(lines.file_lines(text)) == [lines.TOO_LONG, "short\n"]


def test_chunks_do_not_depend_on_what_was_refused(tmp_path):
    body = HEAD + b"".join(b"%d,%s\n" % (i, b"" if i % 3 else b"a") for i in range(2 * CHUNK_ROWS + 5))
    found = list(chunks(Source(file(tmp_path, "t.csv", body))))
    assert [(chunk.first_row, chunk.rows_in) for chunk in found] == [
        (0, CHUNK_ROWS),
        (CHUNK_ROWS, CHUNK_ROWS),
        (2 * CHUNK_ROWS, 5),
    ]


def test_inputs_expand_to_each_file_once(tmp_path):
    for name in ("b.csv", "a/deep/c.ndjson.gz", ".hidden.csv", "a/notes.md", "x.csv.part", "README"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    everything = [tmp_path / "a/deep/c.ndjson.gz", tmp_path / "b.csv"]
    assert expand([tmp_path]) == everything
    assert expand([tmp_path / "*.csv", tmp_path]) == everything[::-1]
    assert expand([Path("-")]) == [Path("-")]
    (tmp_path / "empty").mkdir()
    for nothing in ([], [tmp_path / "empty"]):
        with pytest.raises(InputError):
            expand(nothing)


def test_a_stream_is_given_away_in_time_and_wakes_its_reader(monkeypatch):
    import os
    import threading

    incoming, outgoing = os.pipe()
    monkeypatch.setattr(readers, "FLUSH_S", 0.2)
    monkeypatch.setattr(readers, "stream_lines", lambda fd, wait_s: lines.stream_lines(incoming, 0.1))
    stream = chunks(Source(Path("-")))
    first = json.dumps({"id": 1, "text": "a"}).encode()
    os.write(outgoing, first[:5])
    assert next(stream).rows_in == 0  # nothing yet, but the caller can look up
    threading.Timer(0.1, os.write, (outgoing, first[5:] + b"\n")).start()
    whole = next(chunk for chunk in stream if chunk.rows_in)
    assert [tweet.tweet_id for tweet in whole.tweets] == ["1"]
    os.write(outgoing, b'{"id": 2, "text": "' + b"x" * 15_000 + b'"}\n{"id": 3, "text": "no end"}')
    os.close(outgoing)
    rest = [chunk for chunk in stream if chunk.rows_in]
    assert [tweet.tweet_id for chunk in rest for tweet in chunk.tweets] == ["2", "3"]
    os.close(incoming)


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson", "a.parquet"])
def test_long_texts_end_a_chunk_at_the_same_rows_each_time(tmp_path, monkeypatch, name):
    monkeypatch.setattr(readers, "CHUNK_CHARACTERS", 1000)
    frame = pl.DataFrame({"tweet_id": [str(n) for n in range(20)], "text": ["x" * 300] * 10 + ["y" * 2000] + ["z"] * 9})
    write = {"a.csv": frame.write_csv, "a.ndjson": frame.write_ndjson, "a.parquet": frame.write_parquet}[name]
    write(tmp_path / name)
    cut = [[(chunk.first_row, chunk.rows_in) for chunk in chunks(Source(tmp_path / name))] for _ in range(2)]
    assert cut == [[(0, 4), (4, 4), (8, 3), (11, 9)]] * 2
