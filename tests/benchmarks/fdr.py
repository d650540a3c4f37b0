"""Is the false discovery rate of the verdict what it says? Random stores of known truth, without a model.

    python tests/benchmarks/fdr.py --replicates 1000 [--explain]

--explain: a sixth of 960 tweets is explained first; then, as `effects --explain` does, further ones of the words that
`undecided_words` names, each word's up to one number of tweets. It must not cost more false discoveries than one look.

A replicate is a model version of its own: many share a store, and with it one refresh. Of its words some go with a
label in training, lean on it and move it (true), some do one or two of these (the traps), the rest do nothing. Scores
of one author go up and down together, and a tweet's attribution and effect do, too. A third of the explained tweets
stands for itself, a third for two tweets each, a third for ten.
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from _sql_store import RATES, SEED, draws

from camembias import catalog, sampling, sqlfiles, store
from camembias.sampling import permanent_random_number
from camembias.schemas import TABLES

LABELS = ("avion", "nucléaire", "viande")
WORDS, TRUE, TRAPS = 60, 8, 6  # TRAPS of each sort: association only, no effect, no reliance
TWEETS, HELD, DOCS, AUTHORS = 240, 8, 400, 40
PURITY, SIZE, STRAY = 0.8, 0.9, 0.08  # P(label | word), centred logits of a word that acts, spread of one that does not
DAY = datetime(2024, 3, 1, tzinfo=UTC)
SIDES = np.array([2, -1, -1]) / 2  # towards the first label is away from the others


def roles() -> np.ndarray:
    """(words, 3): whether a word has the association, the reliance and the effect."""
    sorts = [(1, 1, 1)] * TRUE
    sorts += [sort for sort in ((1, 0, 0), (1, 1, 0), (1, 0, 1)) for _ in range(TRAPS)]
    sorts.append((0, 1, 1))  # one: what goes with no label counts as control word, and many would raise the floor
    return np.array(sorts + [(0, 0, 0)] * (WORDS - len(sorts)), dtype=float)


def sample(dice: np.random.Generator, version: str, all_: bool) -> pl.DataFrame:
    """TWEETS drawn tweets, as many of each stratum; `all_`: four times as many, drawn or not."""
    if all_:
        ids = [f"{version}-{number}" for number in range(4 * TWEETS)]
        return pl.DataFrame({"design_id": version, "tweet_id": ids, "key": "all", "pi": 1.0})
    chance = 1 / np.array(list(RATES.values()))
    keys = dice.choice(list(RATES), p=chance / chance.sum(), size=12 * TWEETS).tolist()
    return draws([f"{version}-{number}" for number in range(len(keys))], keys).head(TWEETS)


def replicate(dice: np.random.Generator, version: str, all_: bool = False) -> dict[str, pl.DataFrame]:
    """The parts of one model version."""
    acts = roles()
    drawn = sample(dice, version, all_)
    many = drawn.height
    stray = dice.normal(scale=STRAY, size=(WORDS, 3))
    means = acts[:, 1:, None] * SIZE * SIDES + np.stack(
        [stray, stray + dice.normal(scale=STRAY / 2, size=stray.shape)], 1
    )
    held = np.argsort(dice.random((many, WORDS)), axis=1)[:, :HELD]  # (tweets, held)
    author = dice.integers(AUTHORS, size=many)
    moods = dice.normal(scale=0.3, size=(AUTHORS, WORDS, 3))[author[:, None], held]
    shared = dice.normal(scale=0.5, size=(many, HELD, 3)) + moods
    scores = means[held, 0] + shared + dice.normal(scale=0.5, size=shared.shape)  # (tweets, held, labels)
    whole, alone = (means[held, 1] + shared + dice.normal(scale=0.5, size=shared.shape) for _ in range(2))
    ids = drawn["tweet_id"].to_list()
    words = [f"mot{number}" for number in range(WORDS)]
    explanations = [
        {
            **{"batch": version, "tweet_id": tweet, "model_version": version, "target": label, "label": LABELS[0]},
            **{"method": "ig", "baseline": "mask", "converged": True, "delta": 0.0, "computed_at": DAY},
            "words": [
                {"word": words[word], "surface": words[word], "start": 9 * at, "stop": 9 * at + 5, "score": score}
                for at, (word, score) in enumerate(zip(held[number], scores[number, :, place], strict=True))
            ],
        }
        for number, tweet in enumerate(ids)
        for place, label in enumerate(LABELS)
    ]
    nothing = [{"label": label, "logit": 0.0, "p": 1 / 3} for label in LABELS]
    edits = [
        {
            **{"model_version": version, "word": words[word], "edit": edit, "tweet_id": ids[number]},
            **{"role": "control" if not acts[word].any() else "candidate", "computed_at": DAY},
            **{"label_before": LABELS[0], "label_after": LABELS[0], "after": nothing},
            "before": [
                {"label": label, "logit": change, "p": 1 / 3}
                for label, change in zip(LABELS, changes[number, at], strict=True)
            ],
        }
        for number in range(many)
        for at, word in enumerate(held[number])
        for edit, changes in (("delete", whole), ("replace", whole), ("alone", alone))
    ]
    label = dice.integers(3, size=DOCS)
    odds = np.where(label[:, None] == 0, PURITY * 3, (1 - PURITY) * 1.5) / 3  # of an associated word, against even ones
    chance = np.where(acts[:, 0], odds, 1 / 3) * 0.4
    holds = dice.random((DOCS, WORDS)) < chance
    training = [
        {
            **{"model_version": version, "tweet": f"h{number}", "author": "a", "duplicate_group": number},
            **{"split": "train", "label": LABELS[label[number]], "words": [words[w] for w in np.flatnonzero(row)]},
        }
        for number, row in enumerate(holds)
    ]
    design = {
        **{"design_id": version, "rule": "stratified", "model_version": version, "serving_version": version},
        **{"framed_at": DAY, "frame_tweets": TWEETS, "method": "ig", "baseline": "mask", "seed": SEED},
        **{"rates": [{"key": key, "tweets": TWEETS, "rate": rate} for key, rate in RATES.items()]},
        **{"expected": float(TWEETS), "created_at": DAY},
    }
    rows = {
        "explanations": explanations,
        "effects": edits,
        "training_words": training,
        "designs": [design],
        "draws": drawn.with_columns(design_id=pl.lit(version)).rows(named=True),
        "models": [
            {"model_version": version, "serving_version": version, "name": "n", "labels": LABELS, "seen_at": DAY}
        ],
        "tweets": [
            {"tweet_id": tweet, "author": f"a{who}", "text": "x", "source": "s", "seen_at": DAY}
            for tweet, who in zip(ids, author, strict=True)
        ],
    }
    return {name: pl.DataFrame(found, schema=TABLES[name]) for name, found in rows.items()}


def first_sixth(rows: dict[str, pl.DataFrame], name: str) -> dict[str, pl.DataFrame]:
    """As if a first design had drawn a uniform sixth of all tweets."""
    ids = rows["draws"]["tweet_id"]
    u = pl.Series([permanent_random_number(SEED, one) for one in ids])
    first = pl.DataFrame({"tweet_id": ids, "pi": 1 / 6, "key": "all", "design_id": name}).filter(u < 1 / 6)
    design = rows["designs"].with_columns(rates=pl.lit([{"key": "all", "tweets": 4 * TWEETS, "rate": 1 / 6}]))
    explained = rows["explanations"].join(first, on="tweet_id", how="semi")
    draws_ = first.select(rows["draws"].columns)
    return {**rows, "draws": draws_, "designs": design, "explanations": explained}


def explain_further(made: store.Store, everything: dict[str, dict[str, pl.DataFrame]]) -> int:
    """Add a design a replicate that brings its undecided words to the wanted number; returns tweets explained."""
    further = 0
    for name, rows in everything.items():
        undecided = catalog.run_query(made, sqlfiles.query("undecided_words"), {"model": name})
        if undecided.is_empty():
            continue
        held = (
            rows["explanations"]
            .filter(target=LABELS[0])
            .select("tweet_id", text=pl.col("words").list.eval(pl.element().struct.field("word")).list.join(" "))
        )
        strata = sampling.reaching(held["text"].to_list(), undecided["word"].to_list(), undecided["wanted"][0])
        pi = strata.keys.replace_strict(strata.weights, default=0.0, return_dtype=pl.Float64())
        u = pl.Series([permanent_random_number(SEED, one) for one in held["tweet_id"]])
        drawn = held.select("tweet_id", pi=pi, key=strata.keys, design_id=pl.lit(f"{name}-further")).filter(u < pi)
        known = made.read("explanations", name)
        new = rows["explanations"].join(drawn, on="tweet_id", how="semi").join(known, on="tweet_id", how="anti")
        made.write("explanations", f"{name}-further", new)
        made.write("draws", f"{name}-further", drawn.select(rows["draws"].columns))
        design = rows["designs"].with_columns(design_id=pl.lit(f"{name}-further"), rule=pl.lit("word"))
        made.write("designs", f"{name}-further", design)
        further += new.height // len(LABELS)
    return further


def judge(many: int, dice: np.random.Generator, folder: Path, explain: bool) -> list[tuple[int, int, int]]:
    """Of each of `many` replicates: discoveries, false ones, and true words confirmed."""
    made = store.create(folder)
    names = [f"m{number}" for number in range(many)]
    # every tweet of the stream, so that what is drawn from it is known
    everything = {name: replicate(dice, name, explain) for name in names}
    for name, parts in everything.items():
        for table, rows in (first_sixth(parts, name) if explain else parts).items():
            made.write(table, name, rows)
    catalog.refresh(made)
    if explain:
        before = catalog.run_sql(made, "SELECT count(*) AS n FROM word_label_verdict WHERE verdict = 'confirmed_bias'")
        print(f"{explain_further(made, everything)} tweets explained further; confirmed before: {before['n'][0]}")
        catalog.refresh(made)
    found = catalog.run_sql(
        made,
        "SELECT model_version, word, label, verdict FROM word_label_verdict WHERE starts_with(verdict, 'confirmed')",
    )
    good = [f"mot{number}" for number in range(TRUE)]
    side = pl.when(pl.col("label") == LABELS[0]).then(pl.lit("confirmed_bias")).otherwise(pl.lit("confirmed_away"))
    found = found.with_columns(true=pl.col("word").is_in(good) & (pl.col("verdict") == side))
    counts = []
    for name in names:
        mine = found.filter(model_version=name)
        right = mine.filter(pl.col("true"))
        counts.append((mine.height, mine.height - right.height, right.filter(label=LABELS[0]).height))
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--together", type=int, default=20, help="replicates a store")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--explain", action="store_true", help="explain further tweets of undecided words")
    given = parser.parse_args()
    dice, counts, began = np.random.default_rng(given.seed), [], time.monotonic()
    while len(counts) < given.replicates:
        with tempfile.TemporaryDirectory() as folder:
            counts += judge(
                min(given.together, given.replicates - len(counts)), dice, Path(folder) / "store", given.explain
            )
    shares = np.array([false / max(1, all_) for all_, false, _ in counts])
    error = shares.std(ddof=1) / np.sqrt(len(shares))
    print(
        f"{len(counts)} replicates of {WORDS * len(LABELS)} pairs in {time.monotonic() - began:.0f} s: "
        f"{sum(a for a, _, _ in counts)} discoveries, {sum(f for _, f, _ in counts)} false\n"
        f"realised FDR {shares.mean():.4f} [{shares.mean() - 1.96 * error:.4f}, {shares.mean() + 1.96 * error:.4f}] "
        f"at q < 0.05\npower: {sum(t for _, _, t in counts) / (TRUE * len(counts)):.3f} of the true words"
    )


if __name__ == "__main__":
    main()
