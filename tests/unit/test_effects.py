"""Edits take out every occurrence of a word and nothing else; controls are like the candidates; runs repeat."""

import math
import zlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch import edits, effects, holders
from batch.effects import Word
from camembias import store as stores
from camembias.checkpoint import load_tokenizer
from camembias.cli import effects as command
from camembias.sampling import permanent_random_number, seed_of
from camembias.schemas import TABLES
from camembias.text import normalise, words

TEXTS = {
    "1": "Merci @vigie_luvane, le train part. @vigie_luvane dit non",
    "2": "@vigie_luvane",
    "3": "Franchement, l'avion de 20h30 🌻 n'est pas parti",
    "4": "@vigie_luvane_bis parle du train",
}


@pytest.fixture
def store(tmp_path):
    made = stores.create(tmp_path / "store")
    rows = [{"tweet_id": key, "text": text, "source": "s", "seen_at": stores.now()} for key, text in TEXTS.items()]
    for number, part in enumerate((rows[:2], rows[2:], [{**rows[0], "text": "@vigie_luvane"}])):
        made.write("tweets", f"p{number}", pl.DataFrame(part, schema=TABLES["tweets"]))
    return made


def test_deleting_and_replacing():
    assert edits.replaced(TEXTS["1"], {"@vigie_luvane"}) == "Merci , le train part. dit non"
    assert edits.replaced(TEXTS["1"], {"@vigie_luvane"}, "@x") == "Merci @x, le train part. @x dit non"
    assert edits.replaced(TEXTS["4"], {"@vigie_luvane"}) == TEXTS["4"]  # part of another word is not the word
    assert edits.replaced(TEXTS["3"], {"franchement"}, "vraiment") == "vraiment, l'avion de 20h30 🌻 n'est pas parti"
    assert edits.replaced(TEXTS["2"], {"@vigie_luvane"}) == ""


@given(st.lists(st.sampled_from(["le", "train", "🌻", "@a", "l'été", "10", "!"]), min_size=1, max_size=12), st.data())
def test_only_the_word_goes(pieces, data):
    text = normalise(" ".join(pieces))
    before = [word.word for word in words(text)]
    target = data.draw(st.sampled_from(before))
    after = [word.word for word in words(edits.replaced(text, {target}))]
    assert target not in after
    assert [word for word in before if word != target] == after


def test_companions_stand_in_half_of_the_tweets():
    assert edits.companions("but", ["Un but fou !", "un but, un vrai", "quel but"]) == ("un",)
    assert edits.companions("but", ["un but"]) == ("un",)
    assert edits.companions("but", []) == ()


def test_a_word_is_also_deleted_once_its_companions_are():
    tweets = [("1", "Un but fou ce soir"), ("2", "un but fou, @ami"), ("3", "Quel but")]
    alone = [edit for edit in edits.edits_of("but", tweets, {}) if edit.edit == "alone"]
    assert {edit.companions for edit in alone} == {("fou", "un")}
    assert [(edit.tweet_id, edit.before, edit.after) for edit in alone] == [
        ("1", "but ce soir", "ce soir"),
        ("2", "but , @ami", ", @ami"),
        ("3", "Quel but", "Quel"),
    ]
    # a tweet of which nothing is left says nothing, and where half of them do, none does
    rows = [("1", "un but"), ("2", "un but ici"), ("3", "un but là")]
    assert [edit.tweet_id for edit in edits.edits_of("but", rows, {}) if edit.edit == "alone"] == ["2", "3"]
    assert [
        edit.tweet_id for edit in edits.edits_of("but", [*rows[:2], ("4", "but un")], {}) if edit.edit == "alone"
    ] == []
    # words that nothing goes with are deleted from the tweet as it is
    unlike = [("1", "but un"), ("2", "but deux"), ("3", "but trois")]
    assert {edit.edit for edit in edits.edits_of("but", unlike, {})} == {"delete", "replace"}


def test_a_kind_is_deleted_whole_and_from_what_a_neutral_word_in_its_place_leaves():
    tweets = [("1", "Non #un à #deux ici"), ("2", "#un"), ("3", "oui #epr #un")]
    found = list(edits.edits_of("<hashtag>", tweets, {}, {"#epr"}))
    assert [(one.tweet_id, one.edit, one.before, one.after) for one in found] == [
        ("1", "delete", "Non #un à #deux ici", "Non à ici"),
        ("1", "neutral", "Non #sujet à #sujet ici", "Non à ici"),
        ("3", "delete", "oui #epr #un", "oui #epr"),  # a concept word speaks for itself
        ("3", "neutral", "oui #epr #sujet", "oui #epr"),
    ]


def test_tweets_of_a_kind_hold_a_word_of_it(store):
    found = holders.holders(store, ["<handle>", "<emoji>", "<number>", "<link>", "train"], 9, {"@vigie_luvane_bis"})
    assert {name: {key for key, _ in rows} for name, rows in found.items()} == {
        "<handle>": {"1", "2"}, "<emoji>": {"3"}, "<number>": {"3"}, "<link>": set(), "train": {"1", "4"},
    }  # fmt: skip


def test_a_part_from_before_companions_were_deleted_is_measured_again(store, tiny_bundle):
    same = {"serving_version": tiny_bundle.serving_version, "role": "candidate"}
    tweets = [("1", "un but ici"), ("2", "un but là"), ("3", "un but tard")]
    found = list(edits.edits_of("but", tweets, {}))
    whole = [edit for edit in found if edit.edit != "alone"]
    rows = [same | {"tweet_id": one.tweet_id, "edit": one.edit, "replacement": one.replacement} for one in whole]
    old = pl.DataFrame(rows, schema=TABLES["effects"]).drop("companions")
    old.write_parquet(store.part("effects", "old"))
    assert effects._stored(store, "old", tiny_bundle, Word("but", 1), whole)
    assert not effects._stored(store, "old", tiny_bundle, Word("but", 1), found)


def test_holders_are_the_same_tweets_in_every_run_and_a_larger_run_contains_a_smaller_one(store):
    few = holders.holders(store, ["@vigie_luvane", "train", "absent"], 1)
    many = holders.holders(store, ["@vigie_luvane", "train", "absent"], 10)
    assert {key for key, _ in many["@vigie_luvane"]} == {"1", "2"}
    assert dict(many["@vigie_luvane"])["1"] == TEXTS["1"]  # the longest text of a tweet wins, as in the view
    assert {key for key, _ in many["train"]} == {"1", "4"}
    assert many["absent"] == []
    assert few["@vigie_luvane"] == many["@vigie_luvane"][:1]


def test_of_tweets_with_one_text_only_one_is_edited(store):
    copies = [{"tweet_id": f"r{n}", "text": TEXTS["4"], "source": "s", "seen_at": stores.now()} for n in range(40)]
    store.write("tweets", "copies", pl.DataFrame(copies, schema=TABLES["tweets"]))
    for count in (1, 2, 10):
        found = holders.holders(store, ["train"], count)["train"]
        assert len({text for _, text in found}) == len(found) == min(count, 2)


_DRAWN = st.lists(st.tuples(st.sampled_from("abcd") | st.none(), st.integers(0, 99)), unique=True, max_size=60)


@given(_DRAWN, st.integers(1, 9))
def test_every_authors_first_tweet_comes_before_any_authors_second(drawn, count):
    found = {f"{name}-{number}": holders.Holder(number / 100, f"{name} {number}", name) for name, number in drawn}
    whole = list(holders.first(found, len(found)))
    who = [found[one].author for one in whole]
    turns = [0 if name is None else who[:at].count(name) for at, name in enumerate(who)]  # without: one of its own
    assert turns == sorted(turns)
    assert list(holders.first(found, count)) == whole[:count]
    kept: dict[str, holders.Holder] = {}
    for tweet_id, holder in found.items():  # as parts are read: what is dropped on the way would not have come first
        kept[tweet_id] = holder
        if len(kept) > 4 * count:
            kept = holders.first(kept, 2 * count)
    assert list(holders.first(kept, count)) == whole[:count]


@pytest.mark.parametrize(("authors", "edited"), [(9, 50), (10, 3)])
def test_where_ten_wrote_some_no_author_has_a_fourth(store, authors, edited):
    names = ["loud"] * 50 + [f"a{number}" for number in range(authors - 1)]
    rows = [
        {"tweet_id": f"x{n}", "text": f"novarive {n}", "author": name, "source": "s", "seen_at": stores.now()}
        for n, name in enumerate(names)
    ]
    store.write("tweets", "loud", pl.DataFrame(rows, schema=TABLES["tweets"]))
    # Who only repeats a text is none of those that wrote one: the first tweet of a text stands for it.
    seed = seed_of(store)
    first = min(rows[:50], key=lambda row: permanent_random_number(seed, row["tweet_id"]))
    late = sorted((f"y{n}" for n in range(999)), key=lambda one: permanent_random_number(seed, one))[-20:]
    copies = [{**first, "tweet_id": one, "author": f"copies {one}"} for one in late]
    store.write("tweets", "copies", pl.DataFrame(copies, schema=TABLES["tweets"]))
    found = [names[int(key[1:])] for key, _ in holders.holders(store, ["novarive"], 200)["novarive"]]
    assert found.count("loud") == edited
    assert len(found) == edited + authors - 1


def test_controls_are_as_frequent_as_candidates_and_never_one_of_them():
    pool = [Word(f"w{n}", n + 1) for n in range(200)]
    chosen = effects.with_controls([Word("w50", 51), Word("x", 10)], pool, "seed")
    assert [word.word for word in chosen[:2]] == ["w50", "x"]
    controls = chosen[2:]
    assert len(controls) == effects.FEWEST_CONTROLS
    assert all(word.control for word in controls)
    assert len({word.word for word in chosen}) == len(chosen)
    assert all(word.tweets <= 90 for word in controls)
    assert chosen == effects.with_controls([Word("w50", 51), Word("x", 10)], pool, "seed")
    assert effects.with_controls([Word("x", 1)], [], "seed") == [Word("x", 1)]


def test_a_replacement_is_of_the_same_kind_and_another_word():
    neutral = edits.neutral_words(("@paul", "vraiment", "table", "🔥", "12"))
    for word, expected in (
        ("@x", "@paul"),
        ("franchement", "vraiment"),
        ("chaise", "table"),
        ("🌻", "🔥"),
        ("7", "12"),
    ):
        assert edits.replacement(word, neutral, "t") == expected
    assert edits.replacement("@paul", neutral, "t") == "@compte"  # no other handle is neutral
    assert edits.replacement("#sujet", {}, "t") == "autre"


def test_what_the_tokenizer_cannot_see_is_counted(store, tiny_bundle):
    class Cutting:  # of a scorer, only the tokenizer is asked
        tokenizer = load_tokenizer(tiny_bundle.layout, 64)

    effects.write_pieces(Cutting(), tiny_bundle, store, ["franchement", "🪬", "nucléaire"])
    found = {row["word"]: row for row in store.scan("pieces").collect().iter_rows(named=True)}
    assert found["🪬"]["unknown"] == 1  # in no tweet that the tokenizer was made from
    assert all(found[word]["unknown"] == 0 < found[word]["pieces"] for word in ("franchement", "nucléaire"))


class Scorer:
    """Logits by a rule of the text alone; counts the texts, and may die at one."""

    def __init__(self, dies_after: float = math.inf) -> None:
        self.texts: list[str] = []
        self.dies_after = dies_after

    def logits(self, texts, advance=lambda _: None):
        if len(self.texts) + len(texts) > self.dies_after:
            raise KeyboardInterrupt
        self.texts += texts
        advance(len(texts))
        rows = [[len(text) % 7, text.count("e"), zlib.crc32(text.encode()) % 100 / 10, 0.5] for text in texts]
        return np.array(rows, dtype=np.float32)


@pytest.fixture
def many(store, monkeypatch):
    """Tweets of which every word is in many, so that words share what they are edited in."""
    monkeypatch.setattr(effects, "_CHUNK", 60)
    rows = [
        {"tweet_id": f"m{n}", "text": f"alpha beta gamma delta numéro{n} {'epsilon' * (n % 2)}", "source": "s"}
        for n in range(30)
    ]
    frame = pl.DataFrame([row | {"seen_at": stores.now()} for row in rows], schema=TABLES["tweets"])
    store.write("tweets", "many", frame)
    names = ["alpha", "beta", "gamma", "delta", "epsilon", "absent"]
    return [Word(name, 30) for name in names] + [Word("vigie", 2, control=True), Word("train", 2, control=True)]


def edited(store, bundle, targets, scorer, heard=lambda _: None):
    planned = effects.plan(bundle, store, targets, 200)
    with stores.running(store, "effects", {}) as run:
        effects.measure(scorer, bundle, store, planned, run, heard)
    return planned, run.counts


def test_each_distinct_text_is_scored_once_and_as_many_as_were_said(store, tiny_bundle, many):
    scorer, heard = Scorer(), []
    planned, counts = edited(store, tiny_bundle, many, scorer, heard.append)
    assert len(scorer.texts) == len(set(scorer.texts)) == planned.texts == sum(heard) == counts["texts"]
    rows = store.scan("effects").collect()
    assert (counts["words"], counts["unseen"], counts["skipped"]) == (6, 2, 0)
    assert rows.height == counts["edits"]
    assert len(planned.shared) >= 30, "the tweets themselves are of several words"
    assert planned.texts < rows.height * 2


def test_rows_are_what_scoring_each_edit_by_itself_gives(store, tiny_bundle, many):
    edited(store, tiny_bundle, many, Scorer())
    neutral = edits.neutral_words(word.word for word in many if word.control)
    held = holders.holders(store, [word.word for word in many], 200)
    expected = {
        (edit.word, edit.edit, edit.tweet_id): [
            Scorer().logits([text])[0].tolist() for text in (edit.before, edit.after)
        ]
        for word in many
        for edit in edits.edits_of(word.word, held[word.word], neutral)
    }
    rows = store.scan("effects").collect().to_dicts()
    found = {
        (row["word"], row["edit"], row["tweet_id"]): [
            [one["logit"] for one in row[side]] for side in ("before", "after")
        ]
        for row in rows
    }
    assert len(rows) == len(found)
    assert found == expected


@pytest.mark.parametrize("dies_after", [0, 0.4, 0.6, 0.9])
def test_a_killed_run_goes_on_and_doubles_nothing(store, tiny_bundle, many, dies_after):
    whole = effects.plan(tiny_bundle, store, many, 200).texts
    with pytest.raises(KeyboardInterrupt):
        edited(store, tiny_bundle, many, Scorer(dies_after * whole))
    before = store.part_names("effects")
    assert bool(before) == (dies_after > 0)
    scorer = Scorer()
    planned, counts = edited(store, tiny_bundle, many, scorer)
    assert (counts["skipped"], counts["words"]) == (len(before), 6 - len(before))
    assert len(scorer.texts) == planned.texts
    keys = ["word", "edit", "tweet_id"]
    rows = store.scan("effects").collect()
    assert rows.height == rows.unique(keys).height
    assert rows["word"].n_unique() == 6
    planned, counts = edited(store, tiny_bundle, many, Scorer(0))
    assert (planned.texts, planned.words, counts["skipped"], counts["texts"]) == (0, [], 6, 0)


def test_the_result_says_what_was_left_out_and_what_would_change_that():
    left = pl.DataFrame({"word": ["a", "b"], "rank": [7, 31]})
    undecided = pl.DataFrame({"word": ["c", "d"], "tweets": [12, 45], "wanted": [50, 50]})
    assert command._left(left, undecided).strip().splitlines() == [
        "2 more candidates are not edited, so not confirmed: --top 31 edits all",
        "2 edited words act as training says, in too few explained tweets for a verdict: --explain 43 would bring each "
        "to 50",
    ]
    assert command._left(left.clear(), undecided.clear()) == ""
