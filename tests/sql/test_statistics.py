"""The statistics of the views, against the same formulas written again with numpy and scipy on a random store."""

from __future__ import annotations

import hashlib
import math
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from camembias import catalog, store
from camembias.schemas import TABLES
from camembias.store import Store

from .conftest import DAY, put

LABELS = ("avion", "nucléaire", "viande")
WORDS = tuple(f"mot{number}" for number in range(12))
TWEETS, SEED = 150, "s"


def drawn(tweet_id: str) -> float:
    return int(hashlib.sha256(f"{SEED}:{tweet_id}".encode()).hexdigest()[:13], 16) / 16**13


def ask(found: Store, sql: str) -> pl.DataFrame:
    return catalog.run_sql(found, sql)


@pytest.fixture(scope="module")
def scores() -> pl.DataFrame:
    """Of every tweet of the corpus: word, label, raw score, author, inclusion probability."""
    dice = np.random.default_rng(5)
    rows = []
    for number in range(TWEETS):
        tweet_id, pi = f"t{number}", (0.5, 0.9)[number % 2]
        for word in dice.choice(WORDS, size=4, replace=True):
            push = dice.normal(size=3) + np.array([2.0, 0, 0]) * (word == "mot3")
            for label, score in zip(LABELS, push, strict=True):
                # as stored: 32 bits
                rows.append((tweet_id, f"a{dice.integers(25)}" if number % 5 else None, pi, word, label,
                             float(np.float32(score))))  # fmt: skip
    names = ("tweet_id", "author", "pi", "word", "label", "score")
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return frame.with_columns(pl.col("author").first().over("tweet_id"))


@pytest.fixture(scope="module")
def random_store(scores: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = store.create(tmp_path_factory.mktemp("statistics") / "store")
    dice = np.random.default_rng(6)
    explanations, tweets, draws, edits = [], [], [], []
    for (tweet_id,), rows in scores.group_by("tweet_id", maintain_order=True):
        author, pi = rows["author"][0], rows["pi"][0]
        tweets.append({"tweet_id": tweet_id, "author": author, "text": "x", "source": "s", "seen_at": DAY})
        draws += [{"design_id": "d", "tweet_id": tweet_id, "key": f"{pi}", "pi": pi}] if drawn(tweet_id) < pi else []
        for label in LABELS:
            mine = rows.filter(pl.col("label") == label)
            words = [{"word": w, "surface": w, "start": 9 * i, "stop": 9 * i + 5, "score": s}
                     for i, (w, s) in enumerate(mine.select("word", "score").iter_rows())]  # fmt: skip
            explanations.append({"batch": "b", "tweet_id": tweet_id, "model_version": "m", "target": label,
                                 "label": "avion", "method": "ig", "baseline": "mask", "converged": True, "delta": 0.0,
                                 "words": words, "computed_at": DAY})  # fmt: skip
        for word in set(rows["word"]):
            for edit in ("delete", "replace"):
                before, after = (
                    dice.normal(size=3) + np.array([1.5, 0, 0]) * (word == "mot3"),
                    dice.normal(size=3) * 0.3,
                )
                edits.append({"model_version": "m", "word": word, "edit": edit, "tweet_id": tweet_id,
                              "role": "candidate" if word in ("mot3", "mot4") else "control",
                              "label_before": LABELS[int(before.argmax())], "label_after": LABELS[int(after.argmax())],
                              "before": logits(before), "after": logits(after), "computed_at": DAY})  # fmt: skip
    rates = [{"key": key, "tweets": TWEETS // 2, "rate": float(key)} for key in ("0.5", "0.9")]
    design = {"design_id": "d", "rule": "stratified", "model_version": "m", "serving_version": "v", "framed_at": DAY,
              "frame_tweets": TWEETS, "method": "ig", "baseline": "mask", "seed": SEED, "rates": rates,
              "expected": 0.7 * TWEETS, "created_at": DAY}  # fmt: skip
    training = [
        {"model_version": "m", "tweet": f"h{n}", "author": "a", "duplicate_group": n, "split": "train",
         "label": LABELS[int(dice.choice(3, p=[0.2, 0.3, 0.5]))], "words": sorted(set(dice.choice(WORDS, size=4)))}
        for n in range(400)
    ]  # fmt: skip
    model = {"model_version": "m", "serving_version": "v", "name": "n", "labels": list(LABELS), "seen_at": DAY}
    put(made, "explanations", "b", explanations)
    put(made, "tweets", "p", tweets)
    put(made, "draws", "d", draws)
    put(made, "designs", "d", [design])
    put(made, "training_words", "m", training)
    put(made, "models", "v", [model])
    put(made, "effects", "e", edits)
    put(made, "effects", "older", [{**edits[0], "before": logits(np.zeros(3)), "computed_at": DAY - timedelta(days=1)}])
    put(made, "concepts", "c", [{"label": "avion", "word": "mot11"}])
    catalog.refresh(made)
    return made


def logits(values: np.ndarray) -> list[dict[str, Any]]:
    p = np.exp(values) / np.exp(values).sum()
    return [{"label": n, "logit": v, "p": q} for n, v, q in zip(LABELS, values, p, strict=True)]


def per_tweet(scores: pl.DataFrame) -> pl.DataFrame:
    """Centred over labels, occurrences summed, sampled tweets only."""
    centred = scores.with_columns(pl.int_range(pl.len()).over("tweet_id", "label").alias("position")).with_columns(
        (pl.col("score") - pl.col("score").mean().over("tweet_id", "position")).alias("score")
    )
    found = centred.group_by("tweet_id", "author", "pi", "word", "label").agg(pl.col("score").sum(), pl.len())
    return found.filter(
        pl.Series([drawn(tweet_id) < pi for tweet_id, pi in found.select("tweet_id", "pi").iter_rows()])
    )


def weighted_error(values: np.ndarray, units: np.ndarray, squares: np.ndarray) -> tuple[float, float]:
    """Error of Σ units · values / Σ units from Σ squares · residual², unbiased where all values vary alike, and its df.

    By matrices: the residuals are M · values, so that the sum of squares expects trace(M' A M) times their variance.
    """
    n = len(values)
    made = np.eye(n) - np.outer(np.ones(n), units / units.sum())
    short = np.trace(made.T @ np.diag(squares) @ made)
    residuals = made @ values
    error = np.sqrt((squares * residuals**2).sum() * squares.sum() / short) / units.sum()
    return float(error), max(1.0, float(squares.sum() ** 2 / (squares**2).sum() - 1))


def heavy_tailed(df: float, kurtosis: float) -> float:
    return max(min(df, 2), 2 * (df + 1) / (kurtosis - 1) - 1) if kurtosis > 3 else df


def clustered(values: np.ndarray, weights: np.ndarray, clusters: list[str]) -> tuple[float, float, float]:
    """Weighted mean, its cluster-robust error, and the degrees of freedom of that."""
    inside = np.array([[c == name for c in clusters] for name in sorted(set(clusters))])
    units = inside @ weights
    return float((values * weights).sum() / weights.sum()), *weighted_error(
        inside @ (values * weights) / units, units, units**2
    )


def authors_or_tweets(rows: pl.DataFrame) -> list[str]:
    if rows["author"].drop_nulls().n_unique() < 10:
        return rows["tweet_id"].to_list()
    return [f"author {a}" if a else f"tweet {t}" for a, t in rows.select("author", "tweet_id").iter_rows()]


def test_reliance_is_the_hajek_estimate_with_its_two_errors(random_store, scores):
    found = ask(random_store, "SELECT * FROM word_label_reliance")
    truth = per_tweet(scores)
    assert found.height == len(WORDS) * len(LABELS)
    for row in found.iter_rows(named=True):
        mine = truth.filter(word=row["word"], label=row["label"])
        x, pi = mine["score"].to_numpy(), mine["pi"].to_numpy()
        mean = (x / pi).sum() / (1 / pi).sum()
        assert row["tweets"] == len(x)
        assert row["occurrences"] == mine["len"].sum()
        assert row["corpus_tweets"] == pytest.approx((1 / pi).sum())
        assert row["mean_score"] == pytest.approx(mean)
        assert row["total_score"] == pytest.approx((x / pi).sum())
        design, df = weighted_error(x, 1 / pi, (1 - pi) / pi**2)
        assert row["se_design"] == pytest.approx(design)
        copies = np.repeat(x, np.round(4.5 / pi).astype(int))  # pi is 0.5 or 0.9: nine and five copies
        df = heavy_tailed(df, float(stats.kurtosis(copies, fisher=False)))
        assert row["corpus_high"] == pytest.approx(mean + stats.t.ppf(0.975, df) * design, rel=1e-3)
        assert (row["se_tweet"], row["df"]) == pytest.approx(clustered(x, 1 / pi, [str(i) for i in range(len(x))])[1:])
        assert row["share_positive"] == pytest.approx((1 / pi)[x > 0].sum() / (1 / pi).sum())
    assert found.group_by("label").agg(pl.col("share_of_scores").sum())["share_of_scores"].to_list() == [
        pytest.approx(1)
    ] * len(LABELS)


def test_the_strongest_word_of_a_tweet_is_one_that_pushes_and_none_pushes_more(random_store, scores):
    truth = per_tweet(scores).with_columns(pl.col("score").max().over("tweet_id", "label").alias("most"))
    truth = truth.with_columns(((pl.col("score") == pl.col("most")) & (pl.col("score") > 0)).alias("strongest"))
    expected = truth.group_by("word", "label").agg(
        (pl.col("strongest") / pl.col("pi")).sum() / (1 / pl.col("pi")).sum()
    )
    found = ask(random_store, "SELECT word, label, share_strongest FROM word_label_reliance")
    both = found.join(expected, on=["word", "label"])
    assert np.allclose(both["share_strongest"], both["strongest"])


def test_association_agrees_with_scipy(random_store):
    found = ask(random_store, "SELECT * FROM word_label_association")
    training = random_store.scan("training_words").collect()
    counts = training.explode("words").group_by("words", "label").len()
    corpus = counts["len"].sum()
    for row in found.iter_rows(named=True):
        n, k = row["docs"], row["both_docs"]
        share = (training["label"] == row["label"]).mean()
        assert n == counts.filter(words=row["word"])["len"].sum()
        assert row["z"] == pytest.approx((k / n - share) / np.sqrt(share * (1 - share) / n))
        assert row["p_towards"] == pytest.approx(stats.binom.sf(k - 1, n, share), rel=0.01)
        assert row["p_away"] == pytest.approx(stats.binom.cdf(k, n, share), rel=0.01)
        prior = n / 10
        inside, outside = k + prior, n - k + prior
        label_words = counts.filter(label=row["label"])["len"].sum()
        odds = np.log(inside / (label_words + corpus / 10 - inside))
        odds -= np.log(outside / (corpus - label_words + corpus / 10 - outside))
        assert row["log_odds"] == pytest.approx(odds)
        assert row["se"] == pytest.approx(np.sqrt(1 / inside + 1 / outside))


def test_an_effect_is_what_the_word_adds_and_its_error_is_by_author(random_store, scores):
    found = ask(random_store, "SELECT * FROM word_label_edit")
    assert found.height == len(WORDS) * len(LABELS) * 2
    effects = random_store.scan("effects").filter(pl.col("computed_at") == DAY).collect()
    authors = dict(scores.select("tweet_id", "author").unique().iter_rows())
    for row in found.filter(pl.col("word").is_in(["mot3", "mot7"])).iter_rows(named=True):
        mine = effects.filter(word=row["word"], edit=row["edit"])
        place = LABELS.index(row["label"])
        before, after = (np.array([[s["logit"] for s in one] for one in mine[name]]) for name in ("before", "after"))
        change = before - after
        x = (change - change.mean(axis=1, keepdims=True))[:, place]
        clusters = authors_or_tweets(mine.with_columns(author=pl.col("tweet_id").replace_strict(authors)))
        found_so = (row["mean_score"], row["se"], row["df"])
        assert found_so == pytest.approx(clustered(x, np.ones(len(x)), clusters))
        flips = [b != a and row["label"] in (a, b) for b, a in mine.select("label_before", "label_after").iter_rows()]
        assert row["flip_rate"] == pytest.approx(np.mean(flips))


def test_verdicts_follow_from_the_three_p(random_store, scores):
    found = ask(random_store, "SELECT * FROM word_label_witnesses")
    verdicts = ask(random_store, "SELECT * FROM word_label_verdict")
    truth = per_tweet(scores)
    for row in found.iter_rows(named=True):
        mine = truth.filter(word=row["word"], label=row["label"])
        clusters = authors_or_tweets(mine)
        weights = [min(1, 3 / clusters.count(c)) / pi for c, pi in zip(clusters, mine["pi"], strict=True)]
        mean, error, df = clustered(mine["score"].to_numpy(), np.array(weights), clusters)
        assert row["reliance"] == pytest.approx(mean)
        assert row["reliance_floor"] == row["effect_floor"]  # every word was edited
        t = (mean - row["reliance_floor"]) / error
        # by Wallace's deviate; another test holds that against Student's t
        deviate = np.sign(t) * (8 * df + 1) / (8 * df + 3) * np.sqrt(df * np.log1p(t * t / df))
        assert row["reliance_p_towards"] == pytest.approx(stats.norm.sf(deviate), rel=1e-5)
        if (p := stats.t.sf(t, df)) > 1e-6:
            assert row["reliance_p_towards"] == pytest.approx(p, rel=0.08)
        assert row["reliance_low"] == pytest.approx(mean - stats.t.ppf(0.975, df) * error, rel=1e-3, abs=1e-3)
    sides = [
        np.max([found[f"{witness}_p_{side}"].to_numpy() for witness in ("association", "reliance", "effect")], axis=0)
        for side in ("towards", "away")
    ]
    p = np.minimum(1, 2 * np.minimum(*sides))
    asked = found.with_columns(p=p).filter(
        (pl.col("word") != "mot11") & (pl.col("docs") >= 5) & (pl.col("tweets") >= 10)
    )
    assert 0 < asked.height < found.height
    expected = asked.select("word", "label", q=pl.Series(stats.false_discovery_control(asked["p"])))
    both = verdicts.join(expected, on=["word", "label"], how="left")
    assert np.allclose(both["q_verdict"].fill_null(-1), both["q"].fill_null(-1), atol=1e-12)
    concept = verdicts.filter(pl.col("verdict") == "expected")
    assert set(concept["word"]) == {"mot11"}


def test_the_floor_is_what_control_words_do_beyond_noise(random_store):
    tied = ask(random_store, "SELECT DISTINCT word FROM word_label_association WHERE abs(z) >= 2")["word"]
    assert 0 < len(tied) < len(WORDS) / 2
    controls = ask(random_store, "SELECT * FROM word_label_edit WHERE role = 'control' AND word <> 'mot11'")
    controls = controls.filter(~pl.col("word").is_in(tied.implode()))
    floors = ask(random_store, "SELECT * FROM control_floor WHERE measure IN ('delete', 'replace')")
    assert floors.height > 0
    for row in floors.iter_rows(named=True):
        mine = controls.filter(edit=row["measure"])  # fewer than 20 control words: all of them, wherever they are
        m, se = mine["mean_score"].to_numpy(), mine["se"].to_numpy()
        reliability = max(0.0, 1 - np.mean(se**2) / np.mean(m**2))
        expected = max(0.05, np.quantile(np.abs(m), 0.95) * np.sqrt(reliability))
        assert row["floor"] == pytest.approx(expected)
        assert row["control_words"] == mine["word"].n_unique()


@pytest.mark.parametrize("n", [1, 2, 7, 40, 300, 5000])
@pytest.mark.parametrize("p", [0.03, 0.2, 0.5, 0.9])
def test_the_binomial_deviate_gives_the_exact_tail(n, p, empty_store):
    ks = sorted({min(n, max(1, round(n * p + s * np.sqrt(n * p * (1 - p))))) for s in (-3, -1, 0, 1, 2, 5)})
    asked = ", ".join(f"binomial_z({k}, {n}, {p}::DOUBLE)" for k in ks)
    found = ask(empty_store, f"SELECT normal_tail(z) AS p FROM (SELECT unnest([{asked}]) AS z)")["p"]
    assert found.to_numpy() == pytest.approx(stats.binom.sf(np.array(ks) - 1, n, p), rel=0.1)


def test_the_binomial_deviate_is_exact_where_a_count_is_what_chance_expects(empty_store):
    """There the formula is 0 / 0, or one rounding error away from it."""
    cases = [(32, 90, 91 / 260), (1, 107, 1 / 214), (32, 45, 0.7), (350, 1000, 0.3495), (35_000, 100_000, 0.349995)]
    cases += [
        (math.floor(n * labelled / of + 0.5) + more, n, labelled / of)
        for of, n in ((260, 90), (1000, 350), (400, 210), (214, 107), (3, 45))
        for labelled in range(1, of, max(1, of // 40))
        for more in (0, 1)
    ]
    cases = [(k, n, p) for k, n, p in cases if 1 <= k <= n]
    asked = ", ".join(f"binomial_z({k}, {n}, {p!r}::DOUBLE)" for k, n, p in cases)
    found = ask(empty_store, f"SELECT normal_tail(z) AS p FROM (SELECT unnest([{asked}]) AS z)")["p"]
    k, n, p = (np.array(each) for each in zip(*cases, strict=True))
    assert found.to_numpy() == pytest.approx(stats.binom.sf(k - 1, n, p), abs=0.02)


def test_tails_of_the_normal_and_of_student(empty_store):
    z = np.array([-6.0, -1.0, 0.0, 0.5, 3.0, 8.0, 25.0])
    got = ask(empty_store, f"SELECT normal_tail(z) AS p FROM (SELECT unnest({z.tolist()}) AS z)")["p"]
    assert got.to_numpy() == pytest.approx(stats.norm.sf(z), rel=1e-6)
    for df in (1, 2, 5, 30):
        t = np.array([-4.0, 0.0, 1.0, 2.0, 4.0])
        asked = f"SELECT student_z(t, {df}) AS z FROM (SELECT unnest({t.tolist()}) AS t)"
        got = ask(empty_store, f"SELECT normal_tail(z) AS p FROM ({asked})")["p"]
        assert got.to_numpy() == pytest.approx(stats.t.sf(t, df), rel=0.09)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 10, 59, 1e6])
def test_intervals_are_as_wide_as_students(df, empty_store):
    got = ask(empty_store, f"SELECT student_975({df}) AS t")["t"][0]
    assert got == pytest.approx(stats.t.ppf(0.975, df), rel=2e-3)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(units=st.lists(st.floats(1, 1000), min_size=2, max_size=12), seed=st.integers(0, 99))
def test_errors_of_unequal_units_are_right_on_average_and_few_heavy_ones_are_few(units, seed, empty_store):
    n = np.array(units)
    x = np.random.default_rng(seed).normal(size=len(n))
    asked = f"SELECT unnest({n.tolist()}::DOUBLE[]) AS n, unnest({x.tolist()}::DOUBLE[]) AS x"
    sql = f"SELECT cluster_error(n * x, n), effective_df(sum(n ** 2), sum(n ** 4)) FROM ({asked})"
    assert ask(empty_store, sql).row(0) == pytest.approx(weighted_error(x, n, n**2), rel=1e-3)


@pytest.mark.parametrize("heavy", [10.0**power for power in range(4, 21)])
def test_a_unit_that_outweighs_all_by_far_never_makes_the_root_of_a_negative_number(heavy, empty_store):
    """Rounding can eat all that is left of the residuals: then there is no error, or a large one, but an answer."""
    asked = f"SELECT unnest([1, {heavy}]::DOUBLE[]) AS n, unnest([0, 1]::DOUBLE[]) AS x"
    found = ask(empty_store, f"SELECT cluster_error(n * x, n) AS se FROM ({asked})")["se"][0]
    assert found is None or found >= 0


def test_nothing_is_confirmed_without_controls(random_store, tmp_path):
    """A floor needs control words: without any, no effect can be shown to exceed it."""
    bare = store.create(tmp_path / "bare")
    for table in TABLES:
        for part in random_store.part_names(table):
            rows = random_store.read(table, part)
            rows = rows.filter(pl.col("role") == "candidate") if table == "effects" else rows
            bare.write(table, part, rows)
    catalog.refresh(bare)
    verdicts = ask(bare, "SELECT verdict, effect, effect_floor FROM word_label_verdict WHERE effect IS NOT NULL")
    assert verdicts.height == 6
    assert verdicts["effect_floor"].null_count() == 6
    assert not verdicts["verdict"].str.starts_with("confirmed").any()
