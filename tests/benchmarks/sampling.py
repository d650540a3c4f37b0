"""Sampling, against the whole corpus explained: do the design intervals hold, and what does a sample by word save?

Every tweet of an invented stream is explained once, by the demo's model. That is the truth. Then samples are drawn from
it again and again, each with other permanent random numbers, by the code that draws samples and estimated by the view
that estimates reliance.

    python tests/benchmarks/sampling.py demo/models/demo                  # about ten minutes on two cores
    python tests/benchmarks/sampling.py demo/models/demo --cache /tmp/x   # explains once, draws at every call
"""

import argparse
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import polars as pl
from rich.progress import track

from camembias import bundle, sampling, sqlfiles, sums, synthetic
from camembias.sampling import Strata
from camembias.schemas import TIME
from explain_worker.job import Model, explain_tweets

DEMO = Path("demo/models/demo")
SHARE = 0.05  # of the corpus, in the sample whose intervals are judged
FEWEST = 10  # sampled tweets of a word that the audit judges
RARE = (8, 0.006)  # tweets of the corpus with a rare word: at least, and at most this share
LISTED, TOP, OVERLAP = 100, 50, 0.9
STEP = 1.15  # between the sizes tried
SCOPE = {"model_version": "m", "method": "integrated_gradients", "baseline": "mask"}
NONE_EDITED = pl.DataFrame(schema={"model_version": pl.String, "word": pl.String})


def explained(model: Model, count: int) -> pl.DataFrame:
    """tweet_id, text, target, label, margin, words of every tweet and label that adds up, for tweets where all do."""
    stream = synthetic.tweets(count, seed=77).unique("text", maintain_order=True)
    same = {"batch": "", "model_version": model.version, "label": "", "method": "integrated_gradients"}
    asked = [
        {**same, "tweet_id": tweet, "text": text, "baseline": "mask", "targets": None}
        for tweet, text in stream.select("tweet_id", "text").rows()
    ]
    rows = [
        row for start in track(range(0, len(asked), 16)) for row in explain_tweets(model, asked[start : start + 16])
    ]
    columns = ["tweet_id", "target", "logit", "converged", "words"]
    found = pl.DataFrame([{name: row[name] for name in columns} for row in rows])
    whole = found.filter(pl.col("converged").all().over("tweet_id"))
    ordered = pl.col("logit").sort(descending=True)
    race = whole.group_by("tweet_id").agg(
        label=pl.col("target").sort_by("logit").last(), margin=ordered.get(0) - ordered.get(1)
    )
    print(f"{race.height:,} of {stream.height:,} tweets explained, all labels complete")
    return whole.join(race, on="tweet_id").join(stream.select("tweet_id", "text"), on="tweet_id")


def draw(frame: pl.DataFrame, strata: Strata, size: float, seed: str) -> pl.DataFrame:
    """tweet_id and pi of the tweets drawn, as `camembias.sampling.draw` draws them."""
    rates = sampling.allocate(Counter(strata.keys.drop_nulls()), strata.weights, size)
    numbers = pl.Series([sampling.permanent_random_number(seed, tweet) for tweet in frame["tweet_id"]])
    drawn = frame.select("tweet_id", pi=strata.keys.replace_strict(rates, default=None, return_dtype=pl.Float64()))
    return drawn.filter(numbers < drawn["pi"])


def as_part(rows: pl.DataFrame, path: Path) -> sums.Explanations:
    """What a store holds, as the sums read it."""
    named = {name: pl.lit(value) for name, value in SCOPE.items()}
    rows.with_columns(**named, batch=pl.lit(""), computed_at=pl.lit(None, TIME)).write_parquet(path)
    return sums.read([path])


def reliance(found: sums.Explanations, samples: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The view word_label_reliance, each sample as if it were a model of its own."""
    labels = {SCOPE["model_version"]: found.rows["target"].unique().sort().to_list()}
    parts = []
    for sample, drawn in samples.items():
        pi = pl.col("pi")
        texts = drawn.with_columns(w=1 / pi, v=(1 - pi) / pi**2, **{name: pl.lit(one) for name, one in SCOPE.items()})
        parts.append(sums.summed(found, texts, labels, NONE_EDITED)[0].with_columns(model_version=pl.lit(sample)))
    with duckdb.connect() as connection:
        connection.register("sums_parts", pl.concat(parts).to_arrow())
        connection.execute("CREATE MACRO word_kind(word) AS ''")  # takes no part
        for name in (
            "20_effective_df",
            "20_heavy_tailed_df",
            "20_weighted_error",
            "20_weighted_kurtosis",
            "30_student_975",
        ):
            connection.execute(dict(sqlfiles.statements("macros"))[name])
        for statement in duckdb.extract_statements(dict(sqlfiles.statements("views"))["30_reliance"]):
            if "sampled_word_scores" not in statement.query:  # a view over the parts of a store
                connection.execute(statement)
        return connection.sql("SELECT * FROM word_label_reliance").pl()


def coverage(corpus: sums.Explanations, frame: pl.DataFrame, truth: pl.DataFrame, draws: int) -> None:
    strata = sampling.stratified(frame)
    samples = {f"{seed}": draw(frame, strata, SHARE * frame.height, f"coverage {seed}") for seed in range(draws)}
    found = reliance(corpus, samples).filter(pl.col("tweets") >= FEWEST).join(truth, on=["word", "label"])
    inside = pl.col("truth").is_between("corpus_low", "corpus_high")
    found = found.with_columns(
        inside=inside, bin=pl.col("tweets").bin_intervals([19, 49], labels=["10-19", "20-49", "50+"])
    )
    per_draw = found.group_by("model_version").agg(pl.col("inside").mean())["inside"]
    error = per_draw.std() / len(per_draw) ** 0.5  # words of one draw share its tweets
    print(
        f"\n{draws} stratified samples of {SHARE:.0%} of {frame.height:,} tweets: the 95 % se_design intervals "
        f"of words in {FEWEST} or more sampled tweets hold the value of the whole corpus in {per_draw.mean():.1%} "
        f"[{per_draw.mean() - 1.96 * error:.1%}, {per_draw.mean() + 1.96 * error:.1%}] of {found.height:,} cases"
    )
    for name, hits, of in found.group_by("bin").agg(pl.col("inside").sum(), pl.len()).sort("bin").rows():
        print(f"    in {name} sampled tweets: {hits / of:.1%} of {of:,}")


def savings(corpus: sums.Explanations, frame: pl.DataFrame, truth: pl.DataFrame, draws: int) -> None:
    """Explanations until the TOP of LISTED rare words in a sample are those of the corpus but for a tenth of them.

    The list stands for what an analyst asks about: accounts, emoji, turns of phrase; here random words.
    """
    held = truth.group_by("word").agg(pl.col("tweets").first(), pl.col("truth").max()).sort("word")
    rare = held.filter(pl.col("tweets").is_between(RARE[0], RARE[1] * frame.height))
    if rare.height < LISTED:
        print(f"\n{rare.height} rare words, fewer than {LISTED}: too few tweets to say what a sample by word saves")
        return
    rare = rare.sample(LISTED, seed=1)
    best = set(rare.sort("truth", descending=True)["word"].head(TOP))
    print(f"\nthe {TOP} strongest of {LISTED} words in {RARE[0]} to {RARE[1]:.1%} of the tweets")
    needed = {}
    for strata in (sampling.uniform(frame), sampling.by_word(frame["text"].to_list(), rare["word"].to_list())):
        size = float(TOP)
        while True:
            size = min(size, frame.height)
            samples = {f"{seed}": draw(frame, strata, size, f"savings {seed}") for seed in range(draws)}
            found = reliance(corpus, samples).join(rare.select("word"), on="word", how="semi")
            strongest = found.group_by("model_version", "word").agg(pl.col("mean_score").max())
            top = strongest.group_by("model_version").agg(pl.col("word").sort_by("mean_score").tail(TOP))["word"]
            overlap = float(np.mean([len(best & set(one)) / TOP for one in top]))
            if overlap >= OVERLAP or size == frame.height:
                break
            size *= STEP
        needed[strata.rule] = size
        print(f"    {strata.rule:8} {size:6,.0f} tweets, overlap {overlap:.2f} over {draws} draws")
    print(f"    the sample by word needs 1/{needed[sampling.UNIFORM] / needed[sampling.WORD]:.1f} of the explanations")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=DEMO, help="a bundle; the demo's when not given")
    parser.add_argument("--tweets", type=int, default=4000)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--cache", type=Path, help="folder that keeps what was explained")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        kept = (given.cache or Path(folder)) / f"explained-{given.tweets}.parquet"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            explained(Model.open(bundle.load(given.model)), given.tweets).write_parquet(kept)
        rows = pl.read_parquet(kept)
        corpus = as_part(rows, Path(folder) / "part.parquet")
    frame = rows.unique("tweet_id").select("tweet_id", "label", "margin", "text").sort("tweet_id")
    whole = {"all": frame.select("tweet_id", pi=pl.lit(1.0))}
    truth = reliance(corpus, whole).select("word", "label", "tweets", truth="mean_score")
    coverage(corpus, frame, truth.drop("tweets"), given.draws)
    savings(corpus, frame, truth, max(given.draws // 15, 5))


if __name__ == "__main__":
    main()
