"""Is the false discovery rate of the verdict what it says? Random stores of known truth, without a model.

    python tests/benchmarks/fdr.py --replicates 1000

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

from camembias import catalog, store
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


def sample(dice: np.random.Generator, version: str) -> pl.DataFrame:
    """TWEETS drawn tweets, as many of each stratum."""
    chance = 1 / np.array(list(RATES.values()))
    keys = dice.choice(list(RATES), p=chance / chance.sum(), size=12 * TWEETS).tolist()
    return draws([f"{version}-{number}" for number in range(len(keys))], keys).head(TWEETS)


def replicate(dice: np.random.Generator, version: str) -> dict[str, pl.DataFrame]:
    """The parts of one model version."""
    acts = roles()
    stray = dice.normal(scale=STRAY, size=(WORDS, 3))
    means = acts[:, 1:, None] * SIZE * SIDES + np.stack(
        [stray, stray + dice.normal(scale=STRAY / 2, size=stray.shape)], 1
    )
    held = np.argsort(dice.random((TWEETS, WORDS)), axis=1)[:, :HELD]  # (tweets, held)
    author = dice.integers(AUTHORS, size=TWEETS)
    moods = dice.normal(scale=0.3, size=(AUTHORS, WORDS, 3))[author[:, None], held]
    shared = dice.normal(scale=0.5, size=(TWEETS, HELD, 3)) + moods
    scores = means[held, 0] + shared + dice.normal(scale=0.5, size=shared.shape)  # (tweets, held, labels)
    whole, alone = (means[held, 1] + shared + dice.normal(scale=0.5, size=shared.shape) for _ in range(2))
    drawn = sample(dice, version)
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
        for number in range(TWEETS)
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


def judge(many: int, dice: np.random.Generator, folder: Path) -> list[tuple[int, int, int]]:
    """Of each of `many` replicates: discoveries, false ones, and true words confirmed."""
    made = store.create(folder)
    names = [f"m{number}" for number in range(many)]
    for name in names:
        for table, rows in replicate(dice, name).items():
            made.write(table, name, rows)
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
    given = parser.parse_args()
    dice, counts, began = np.random.default_rng(given.seed), [], time.monotonic()
    while len(counts) < given.replicates:
        with tempfile.TemporaryDirectory() as folder:
            counts += judge(min(given.together, given.replicates - len(counts)), dice, Path(folder) / "store")
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
