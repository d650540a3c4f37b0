"""What an evaluation says of a model: shortcuts named or not, who wins, and that nothing depends on row order."""

import dataclasses
import json
import math
import random
import shutil

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from camembias import synthetic
from camembias.bundle import Layout, Manifest, write_manifest
from camembias.cli import app
from camembias.errors import InputError
from camembias.labels import Labels
from camembias.text import normalise, text_hash
from train import baselines, reading, shortcuts, training_words
from train.card import model_card
from train.evaluate import _told_apart, draw, judge
from train.evidence import Evidence


def invented(count, seed=1):
    """Rows as training has them, without its loader."""
    rows = synthetic.tweets(count, seed=seed).with_columns(pl.col("text").map_elements(normalise, pl.String()))
    groups = rows["text"].map_elements(lambda text: text_hash(text.split(": ")[-1]), pl.String())
    return rows.select(
        "tweet_id", "text", "label", "author", groups.rank("dense").cast(pl.Int64).alias("duplicate_group")
    )


ROWS = invented(500)
LABELS = Labels.of(ROWS["label"])
TRUTH = np.array(LABELS.ids(ROWS["label"].to_list()))


def guess(rows, skill, seed=0):
    """Logits that are right with probability `skill`."""
    dice = np.random.default_rng(seed)
    truth = np.array(LABELS.ids(rows["label"].to_list()))
    said = np.where(dice.random(len(rows)) < skill, truth, dice.integers(0, len(LABELS), len(rows)))
    logits = dice.normal(0, 0.5, (len(rows), len(LABELS)))
    logits[np.arange(len(rows)), said] += 3
    return logits.astype(np.float32)


def split_once(skill=0.8, rows=ROWS):
    parts = [rows[:240], rows[240:360], rows[360:]]
    test = guess(parts[2], skill)
    rewritten = {"concepts_masked": guess(parts[2], skill / 2), "only_concepts": guess(parts[2], skill / 3)}
    return Evidence(parts[0], parts[2], test, parts[1], guess(parts[1], skill, 1), rewritten)


def in_folds(skill=0.8, rows=ROWS, by="duplicate_group"):
    truth = np.array(LABELS.ids(rows["label"].to_list()))
    fold = pl.Series(baselines.folds_of(truth, rows[by].to_numpy(), seed=0))
    logits = guess(rows, skill)
    return Evidence(rows, rows, logits, rows, logits, {}, fold)


@pytest.fixture(scope="module")
def once():
    return judge(split_once(), LABELS)


@pytest.fixture(scope="module")
def folds():
    return judge(in_folds(by="author"), LABELS, random_folds=in_folds(0.95))


def everything_in(body):
    if isinstance(body, dict | list):
        for inner in body.values() if isinstance(body, dict) else body:
            yield from everything_in(inner)
    else:
        yield body


def test_an_author_that_carries_the_label_is_named_and_a_permuted_one_is_not():
    name = {label: [f"{place}_{at}" for at in range(12)] for place, label in enumerate(LABELS.names)}
    dice = random.Random(2)
    told = ROWS.with_columns(author=pl.Series([dice.choice(name[label]) for label in ROWS["label"]]))
    found = shortcuts.report(told, LABELS)
    assert "author" in found["named"]
    assert found["alone"]["author"]["accuracy"] > 0.95
    permuted = told.with_columns(pl.col("author").shuffle(seed=3))
    found = shortcuts.report(permuted, LABELS)
    assert "author" not in found["named"]
    assert found["alone"]["author"]["mcc"] < 0.1


def test_a_shortcut_to_rare_labels_is_named_where_most_tweets_are_about_none():
    # 85 % autre by anyone; the rest by authors of their own: accuracy hardly moves above the largest label
    dice = random.Random(5)
    labels = ["autre" if dice.random() < 0.85 else dice.choice(["avion", "viande"]) for _ in range(len(ROWS))]
    tell = [
        f"{label}_{dice.randrange(8)}" if label != "autre" and dice.random() < 0.7 else f"u{dice.randrange(60)}"
        for label in labels
    ]
    rows = ROWS.with_columns(label=pl.Series(labels), author=pl.Series(tell))
    found = shortcuts.report(rows, Labels.of(labels))
    assert found["named"] == ["author"]
    assert found["alone"]["author"]["accuracy"] < found["alone"]["largest label"]["accuracy"] + 0.15


def test_hashtags_that_carry_the_label_are_named_and_permuted_ones_are_not():
    plain = ROWS["text"].str.replace_all("#", "")
    tags = pl.Series([f"#sigle{LABELS.id(label)}" for label in ROWS["label"]])
    found = shortcuts.report(ROWS.with_columns(text=plain + " " + tags), LABELS)
    assert "hashtags" in found["named"]
    assert found["alone"]["hashtags"]["tweets_with"] == 1
    found = shortcuts.report(ROWS.with_columns(text=plain + " " + tags.shuffle(seed=1)), LABELS)
    assert "hashtags" not in found["named"]


def test_domains_and_length_can_be_shortcuts_too():
    texts = [f"un mot https://site{LABELS.id(label)}.example" for label in ROWS["label"]]
    same = ROWS.with_columns(text=pl.Series(texts), duplicate_group=pl.int_range(pl.len()))
    assert "link domains" in shortcuts.report(same, LABELS)["named"]
    texts = ["bien " * (2 + 5 * LABELS.id(label)) for label in ROWS["label"]]
    same = ROWS.with_columns(text=pl.Series(texts), duplicate_group=pl.int_range(pl.len()))
    assert shortcuts.report(same, LABELS)["alone"]["length"]["named"]


def test_emojis_that_carry_the_label_are_named_in_words():
    faces = pl.Series(["🌻🥩🛫🔋🙂"[LABELS.id(label)] for label in ROWS["label"]])
    found = shortcuts.report(ROWS.with_columns(text="un mot " + faces, duplicate_group=pl.int_range(pl.len())), LABELS)
    assert "emojis" in found["named"]
    assert any("looking at the emojis" in line for line in reading._shortcuts(found))
    shuffled = ROWS.with_columns(text="un mot " + faces.shuffle(seed=1), duplicate_group=pl.int_range(pl.len()))
    assert "emojis" not in shortcuts.report(shuffled, LABELS)["named"]


def test_with_few_authors_a_shortcut_is_named_by_its_estimate():
    five = ROWS.with_columns(author=pl.col("label") + "_seul")
    found = shortcuts.report(five, LABELS)
    assert "5 authors" in found["none_because"]
    assert found["alone"]["author"]["intervals"]["mcc"] is None
    assert "author" in found["named"]


def test_the_label_of_the_authors_other_tweets_by_hand():
    authors = ["a", "a", "a", "b", "b", None, "c"]
    truth = np.array([0, 0, 1, 1, 1, 1, 0])
    # a: others (0,1) tie, overall of others favours 1; (0,1) tie; (0,0). b: 1, 1. None and c: the rest, 3:3 and 2:4
    assert shortcuts.by_other_tweets(authors, truth).tolist() == [1, 1, 0, 1, 1, 0, 1]


def test_the_label_of_a_known_author_and_of_an_unknown_one():
    labels = np.array([0, 0, 0, 1, 1, 2])
    said = baselines.by_author(["a", "a", "b", "b", "c", None], labels, ["a", "b", "c", "d", None])
    assert said == [0, 0, 1, 0, 0]


def retweeted(share, seed=4):
    """ROWS by authors who have nothing to do with the label, and retweets of them: `share` of all rows."""
    dice = random.Random(seed)
    source = [dice.randrange(len(ROWS)) for _ in range(round(len(ROWS) * share / (1 - share)))]
    rows = pl.concat([ROWS, ROWS[source].with_columns(tweet_id=pl.format("r{}", pl.int_range(pl.len())))])
    return rows.with_columns(author=pl.Series([f"u{dice.randrange(100)}" for _ in range(len(rows))]))


@pytest.mark.parametrize("share", [0, 0.2, 0.4])
def test_authors_who_say_nothing_of_the_label_are_worth_nothing_however_much_they_retweet(share):
    rows = retweeted(share)
    truth = np.array(LABELS.ids(rows["label"].to_list()))
    right = {name: np.mean(said == truth) for name, said in baselines.random_and_author_folds(rows, truth, 0).items()}
    assert right["author"] > 0.7
    assert right["random"] - right["author"] == pytest.approx(0, abs=0.05)


def test_authors_who_all_say_the_same_leave_nothing_to_learn_from():
    rows = ROWS[:20].unique("duplicate_group", maintain_order=True)
    both = pl.concat([rows.with_columns(author=pl.lit(name), tweet_id=name + pl.col("tweet_id")) for name in "ab"])
    assert baselines.random_and_author_folds(both, np.array(LABELS.ids(both["label"].to_list())), 0) is None


def test_masking_by_hand():
    text = "L'avion, ça pollue ! Prenez le train #avion"
    found = shortcuts.variants([text], Labels(("avion", "viande")), "<mask>")
    assert found["concepts_masked"] == ["L'<mask>, ça pollue ! Prenez le <mask> <mask>"]
    assert found["only_concepts"] == ["<mask>avion<mask> <mask> <mask> <mask> <mask> <mask> train #avion"]
    # concept words of any label of the model, and of none that it does not have
    assert shortcuts.variants(["un steak"], Labels(("avion", "x")), "<mask>")["concepts_masked"] == ["un steak"]


def test_metrics_are_json_and_keep_their_names(once):
    text = json.dumps(once.metrics, allow_nan=False)
    assert json.loads(text) == once.metrics
    assert not [value for value in everything_in(once.metrics) if isinstance(value, float) and math.isnan(value)]
    for key in ("tweets", "accuracy", "macro_f1", "majority_share", "per_label", "labels", "confusion_matrix"):
        assert key in once.metrics
    low, high = once.metrics["intervals"]["macro_f1"]
    assert low < once.metrics["macro_f1"] < high
    assert 0.5 <= once.temperature <= 5


def test_the_better_one_is_said_to_win():
    bad, good = (judge(split_once(skill), LABELS).metrics["summary"][0] for skill in (0.05, 1.0))
    assert bad.startswith("In macro-F1 TF-IDF")
    assert "beats the model" in bad
    assert good.startswith("In macro-F1 the model")


def test_the_order_of_rows_changes_nothing(folds):
    dice = np.random.default_rng(1)

    def shuffled(evidence):
        order = dice.permutation(len(ROWS))
        rows, logits = ROWS[order], evidence.logits[order]
        return Evidence(rows.reverse(), rows, logits, rows, logits, {}, evidence.fold[order])

    again = judge(shuffled(in_folds(by="author")), LABELS, random_folds=shuffled(in_folds(0.95)))
    for key in ("accuracy", "macro_f1", "mcc", "intervals", "shortcuts", "splits"):
        assert again.metrics[key] == folds.metrics[key], key
    assert again.temperature == pytest.approx(folds.temperature, rel=1e-4)
    ours, theirs = (found.metrics["folds_compared"]["model"] for found in (again, folds))
    assert ours == theirs


def test_folds_are_compared_and_calibration_is_cross_fitted(folds):
    compared = folds.metrics["folds_compared"]
    assert compared["model"]["random_minus_author"]["macro_f1"] == pytest.approx(0.12, abs=0.08)
    assert set(compared) == {baselines.TFIDF, "model"}
    assert folds.metrics["splits"]["author_known"] == 0
    assert folds.metrics["splits"]["folds"] == 5
    assert folds.metrics["calibration"]["fitted_on"] == "500 out-of-fold tweets"
    # authors never seen: the author baseline can only say the largest label of each fold's training rows
    assert folds.metrics["baselines"][baselines.AUTHOR] == folds.metrics["baselines"][baselines.MAJORITY]


def test_authors_on_both_sides_are_counted(once):
    evidence = split_once()
    seen = set(evidence.fitted["author"])
    share = np.mean([author in seen for author in evidence.held_out["author"]])
    assert once.metrics["splits"]["author_known"] == pytest.approx(share)


def test_a_fold_that_lacks_a_label_is_said():
    rare = ROWS[:120].filter((pl.col("label") != "avion") | (pl.int_range(pl.len()) < 12))
    evidence = in_folds(rows=rare)
    fold = [0 if label == "avion" else place for label, place in zip(rare["label"], evidence.fold, strict=True)]
    evidence = Evidence(*[getattr(evidence, name) for name in Evidence.__slots__[:6]], fold=pl.Series(fold))
    said = judge(evidence, LABELS).metrics["summary"]
    assert [line for line in said if "has no tweet labelled 'avion'" in line]


def test_no_authors_and_one_author():
    nobody = judge(split_once(rows=ROWS.with_columns(author=pl.lit(None, pl.String()))), LABELS).metrics
    assert nobody["intervals"]["unit"] == "duplicate group"
    assert nobody["folds_compared"] is None
    assert baselines.AUTHOR not in nobody["baselines"]
    assert any("Authors are not known" in line for line in nobody["summary"])
    one = judge(split_once(rows=ROWS.with_columns(author=pl.lit("moi"))), LABELS).metrics
    assert one["intervals"]["macro_f1"] is None
    assert any("1 author, and fewer than 10" in line for line in one["summary"])


def evaluated(model, path, *arguments):
    done = CliRunner().invoke(app, ["evaluate", str(model), str(path), *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_evaluate_takes_a_table_of_one_tweet_in_another_encoding_and_says_what_was_trained_on(tiny_bundle, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tiny_bundle.layout.root, model)
    layout, manifest = Layout(model), tiny_bundle.manifest
    rows = ROWS.filter(pl.col("label").is_in(manifest.labels))[:40].rename({"text": "texte", "label": "thème"})
    salt = training_words.save(
        rows[:3].rename({"texte": "text"}).with_columns(label="thème", split=pl.lit("train")), layout.training_words
    )
    others = {name: digest for name, digest in manifest.files.items() if name != layout.training_words.name}
    write_manifest(layout, dataclasses.replace(manifest, training_salt=salt, files=others))
    (tmp_path / "t.csv").write_bytes(rows.write_csv().encode("cp1252", "replace"))
    found = json.loads(evaluated(model, tmp_path / "t.csv", "--encoding", "cp1252", "--json"))
    assert (found["tweets"], found["in_training_table"]) == (40, 3)
    assert evaluated(model, tmp_path / "t.csv", "--encoding", "cp1252").startswith("note: 3 of the 40 tweets were in")
    rows[5:6].write_csv(tmp_path / "one.csv")
    found = json.loads(evaluated(model, tmp_path / "one.csv", "--json"))
    assert (found["tweets"], found["in_training_table"]) == (1, 0)


def test_a_precision_that_is_no_share_is_refused():
    with pytest.raises(InputError, match=r"precision 95: give a share"):
        judge(split_once(), LABELS, precision=95)


def test_labels_that_the_model_does_not_know():
    rows = pl.DataFrame({"label": ["avion", "avion", "sport"]})
    inside, outside = _told_apart(rows, Labels(("avion", "viande")), "sport")
    assert (len(inside), len(outside)) == (2, 1)
    for other, message in [
        (None, "--other-label 'sport'"),
        ("avion", "own labels"),
        ("zz", "no tweet is labelled 'zz'"),
    ]:
        with pytest.raises(InputError, match=message):
            _told_apart(rows, Labels(("avion", "viande")), other)


def test_term_counts_are_those_of_a_fresh_count():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ROWS["text"].to_list()
    fit, asked = np.arange(300), np.arange(300, 400)
    table = baselines.TermCounts(texts).tables[0]
    own = table[:, baselines._texts_with(table[fit]) >= 2]
    fresh = TfidfVectorizer(
        tokenizer=baselines.tokens, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2, sublinear_tf=True
    ).fit([texts[row] for row in fit])
    ours = baselines.TfidfTransformer(sublinear_tf=True).fit(own[fit]).transform(own[asked])
    theirs = fresh.transform([texts[row] for row in asked])
    assert ours.shape == theirs.shape
    assert np.abs(ours.sum(axis=1) - theirs.sum(axis=1)).max() < 1e-9


def test_the_card_says_it_all_and_hostile_names_break_nothing(once, folds, tmp_path):
    for found in (once.metrics, folds.metrics):
        manifest = Manifest("0" * 12, LABELS.names, "tiny", 128, {"tweets": 700, "splits": [{"a|b": 1}]}, found)
        card = model_card("essai", manifest)
        for title in ("In short", "Data", "Scores", "Shortcuts", "How sure it is", "When it abstains", "Limits"):
            assert f"## {title}" in card
        assert "décroissance" in card
        assert "{" not in card
    nasty = json.loads(json.dumps(once.metrics).replace("viande", "<script>|x"))
    card = model_card("a\n# b", Manifest("0" * 12, LABELS.names, "tiny", 128, {}, nasty))
    assert "<script" not in card
    assert card.startswith("# a # b\n")
    assert "## Scores" not in model_card("vieux", Manifest("0" * 12, LABELS.names, "tiny", 128, {}, {}))
    draw(once.metrics, Layout(tmp_path))
    for name in ("confusion_matrix.png", "reliability.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
