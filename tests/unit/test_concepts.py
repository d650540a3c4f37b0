"""The concepts file, as the store and the shortcut report read it."""

import pytest

from camembias import concepts
from camembias import store as stores
from camembias.errors import InputError
from camembias.labels import DEFAULT_LABELS
from camembias.text import normalise, words


def test_the_shipped_file_knows_the_default_labels():
    found = concepts.read()
    for label in DEFAULT_LABELS:
        assert label in found[label]
        assert found[label] == [word.lower() for word in found[label]]


def test_a_file_is_read_the_same_for_the_store(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('"sport" = ["But", "match"]\n"autre" = []\n', encoding="utf-8")
    assert concepts.read(path) == {"sport": ["but", "match"], "autre": []}
    store = stores.create(tmp_path / "store")
    assert concepts.put(store, concepts.read(path)) == 2
    assert store.scan("concepts").collect().rows() == [("sport", "but"), ("sport", "match")]


def test_words_are_those_of_tweets_however_an_editor_wrote_them(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('"sport" = ["Main-d’œuvre", "e\u0301te\u0301", "#Foot"]', encoding="utf-8")
    assert concepts.read(path) == {"sport": [span.word for span in words(normalise("main-d’œuvre été #foot"))]}


def test_what_is_not_one_word_could_never_be_found(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('"sport" = ["coup franc"]', encoding="utf-8")
    with pytest.raises(InputError, match="'coup franc' of 'sport' is not one word"):
        concepts.read(path)


@pytest.mark.parametrize("body", ["sport = 'but'", "sport = [1]", "= oops", None])
def test_what_is_no_concepts_file_is_refused_by_name(tmp_path, body):
    path = tmp_path / "bad.toml"
    if body is not None:
        path.write_text(body, encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.toml"):
        concepts.read(path)
