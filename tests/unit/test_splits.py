"""What says the same, or comes from one author, never straddles a split; labels are spread; order does not matter."""

import polars as pl
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import DisjointSet

from camembias import synthetic
from camembias.errors import InputError
from train import duplicates, finetune, splits
from train.classifier import Options
from train.loop import ByLength
from train.table import Labelled

TWEETS = synthetic.tweets(600, seed=3)


def sides_of(rows: pl.DataFrame, key: str, column: str) -> int:
    """The most sides that one value of `key` is on."""
    return int(rows.drop_nulls(key).group_by(key).agg(pl.col(column).n_unique())[column].max())  # type: ignore[arg-type]


def labelled(tweets: pl.DataFrame = TWEETS) -> pl.DataFrame:
    groups = pl.Series("duplicate_group", duplicates.groups(tweets["text"].to_list()))
    return tweets.with_columns(groups).select("tweet_id", "text", "label", "author", "duplicate_group")


ROWS = labelled()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 599),
    st.sampled_from(["RT @untel: {}", "RT @a: RT @b: {}", "{} https://t.co/xYz", "{} 🌻", "« {} »"]),
)
def test_a_retweet_or_near_duplicate_is_in_the_group_of_its_source(row, change):
    text = TWEETS["text"][row]
    found = duplicates.groups([text, change.format(text), "Rien à voir avec tout le reste du monde"])
    assert found[0] == found[1] != found[2]


def test_a_text_cut_short_is_in_the_group_of_the_whole():
    whole = "Le ministre a dit hier que la centrale serait rouverte avant la fin de cette année"
    cut = "RT @presse: Le ministre a dit hier que la centr…"
    other = "Le ministre a dit hier soir autre chose, et personne ne l'a cru cette fois non plus"
    found = duplicates.groups([whole, other, cut])
    assert found[0] == found[2] != found[1]


@pytest.mark.parametrize("end", ["", " https://t.co", "https://t.co https://pic.twitter.com", " https://t.co "])
def test_a_link_behind_the_ellipsis_changes_nothing(end):
    whole = "Le ministre a dit hier que la centrale serait rouverte avant la fin de cette année, malgré les avis"
    found = duplicates.groups([whole, f"Le ministre a dit hier que la centr…{end}", "Le ministre a dit hier que oui"])
    assert found[0] == found[1] != found[2]


def test_a_campaign_takes_no_square_of_its_tweets(monkeypatch):
    class Counted(DisjointSet):
        asked = 0

        def connected(self, x, y):
            Counted.asked += 1
            return super().connected(x, y)

    monkeypatch.setattr(duplicates, "DisjointSet", Counted)
    text = "Je viens de signer la pétition pour fermer la centrale et vous aussi signez vite merci numéro {}"
    assert set(duplicates.groups([text.format(number) for number in range(400)])) == {0}
    assert Counted.asked < 400 * 2 * 16  # bands


def of_every_pair(texts: list[str]) -> list[int]:
    """Groups from a look at every pair that an index of the library names, in the number of `duplicates.groups`."""
    keys = [duplicates._key(text) for text in texts]
    distinct = sorted(set(keys))
    index, joined = MinHashLSH(num_perm=64, params=(16, 4)), DisjointSet(range(len(distinct)))
    parts = [duplicates._parts(key) for key in distinct]
    for row, sketch in enumerate(MinHash.generator([[part.encode() for part in own] for own in parts], num_perm=64)):
        for other in index.query(sketch):
            if len(parts[row] & parts[other]) >= duplicates.SIMILAR * len(parts[row] | parts[other]):
                joined.merge(row, other)
        index.insert(row, sketch)
    numbers: dict[int, int] = {}
    of_key = {key: numbers.setdefault(joined[row], len(numbers)) for row, key in enumerate(distinct)}
    return [of_key[key] for key in keys]


VOCABULARY = (
    "le",
    "la",
    "un",
    "une",
    "train",
    "avion",
    "car",
    "part",
    "arrive",
    "vite",
    "hier",
    "demain",
    "midi",
    "soir",
)
NEARLY = st.lists(st.sampled_from(VOCABULARY), min_size=8, max_size=12).flatmap(  # texts that differ in a word or two
    lambda words: st.lists(
        st.lists(st.tuples(st.integers(0, 7), st.sampled_from(VOCABULARY)), max_size=2).map(
            lambda changes: " ".join({**dict(enumerate(words)), **dict(changes)}.values())
        ),
        min_size=2,
        max_size=25,
    )
)


@settings(max_examples=60, deadline=None)
@given(st.lists(NEARLY, min_size=1, max_size=3))
def test_groups_are_those_of_a_look_at_every_pair(campaigns):
    texts = [text for campaign in campaigns for text in campaign]
    assert duplicates.groups(texts) == of_every_pair(texts)


def test_similar_texts_are_never_missed():
    sets = [duplicates._parts(duplicates._key(text)) for text in TWEETS["text"]]
    groups = ROWS["duplicate_group"]
    for one in range(len(sets)):
        for other in range(one):
            if len(sets[one] & sets[other]) >= duplicates.SIMILAR * len(sets[one] | sets[other]):
                assert groups[one] == groups[other], (TWEETS["text"][one], TWEETS["text"][other])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_rows_changes_nothing(seed):
    shuffled = TWEETS.sample(fraction=1, shuffle=True, seed=seed)
    again = labelled(shuffled)
    assert again.sort("tweet_id").equals(ROWS.sort("tweet_id"))
    for by_author in (False, True):
        one = splits.split(ROWS, 1, by_author).sort("tweet_id")
        assert one.equals(splits.split(again, 1, by_author).sort("tweet_id"))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50), st.booleans(), st.sampled_from([2, 5, 10]))
def test_nothing_straddles_and_labels_are_spread(seed, by_author, k):
    split, folds = splits.split(ROWS, seed, by_author), splits.folds(ROWS, k, seed, by_author)
    assert split["tweet_id"].equals(ROWS["tweet_id"])  # rows stay where they are
    assert folds["fold"].n_unique() == k
    for rows, column in ((split, "split"), (folds, "fold")):
        if by_author:
            assert sides_of(rows.filter(pl.col(column).cast(pl.String) != splits.LEFT_OUT), "author", column) == 1
        else:
            assert sides_of(rows, "duplicate_group", column) == 1
        assert {side for side in splits.lacking(rows, column) if side != splits.LEFT_OUT} == set()
    kept = split.filter(pl.col("split") != splits.LEFT_OUT)
    assert sides_of(kept, "duplicate_group", "split") == 1
    left = split.filter(pl.col("split") == splits.LEFT_OUT)  # only for a twin that judges
    assert left.height == 0 or by_author
    assert left.join(kept.filter(pl.col("split") != "train"), on="duplicate_group", how="anti").is_empty()
    for fold in range(k):
        judged = folds.filter(pl.col("fold") == fold)
        fitted = splits.without_duplicates_of(folds.filter(pl.col("fold") != fold), judged)
        assert not set(fitted["duplicate_group"]) & set(judged["duplicate_group"])
    shares = dict(split.group_by("split").len().iter_rows())
    assert shares["train"] / len(ROWS) == pytest.approx(0.7, abs=0.1 if by_author else 0.02)
    if not by_author:
        counts = folds.group_by("fold", "label").len()
        spread = counts.group_by("label").agg((pl.col("len").max() - pl.col("len").min()).alias("spread"))
        largest_group = ROWS.group_by("duplicate_group").len()["len"].max()
        assert spread["spread"].max() <= largest_group + 1


def test_what_the_split_leaves_out_is_counted_with_its_reason():
    made = finetune.plan(Labelled(ROWS), Options(by_author=True))
    assert made.left_out == {"says the same as a tweet that judges the model": made.rows["split"].eq("left out").sum()}
    assert sum(made.left_out.values()) > 0
    assert finetune.plan(Labelled(ROWS), Options()).left_out == {}


def test_seeds_differ():
    assert not splits.split(ROWS, 1, False).equals(splits.split(ROWS, 2, False))


def test_a_label_of_three_tweets_reaches_every_split_and_what_a_fold_lacks_is_named():
    rows = pl.DataFrame(
        [(str(n), "a" if n < 40 else "b" if n < 43 else "c", None, n) for n in range(46)],
        schema={"tweet_id": pl.String, "label": pl.String, "author": pl.String, "duplicate_group": pl.Int64},
        orient="row",
    )
    for seed in range(20):
        assert splits.lacking(splits.split(rows, seed, False), "split") == {}
        lacking = splits.lacking(splits.folds(rows, 5, seed, True), "fold")
        assert sorted(label for labels in lacking.values() for label in labels) == ["b", "b", "c", "c"]


def test_fewer_authors_than_folds_is_one_line():
    rows = ROWS.with_columns(author=pl.lit("seul"))
    with pytest.raises(InputError, match="--group-column none"):
        splits.folds(rows, 5, 0, True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(3, 60), min_size=1, max_size=400), st.integers(1, 16), st.integers(0, 9))
def test_batches_hold_every_row_once_and_depend_on_seed_and_epoch_alone(lengths, size, epoch):
    sampler = ByLength(lengths, size, seed=1)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert sorted(order) == list(range(len(lengths)))
    assert order == list(sampler)
