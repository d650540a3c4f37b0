"""demo: the whole pipeline on invented tweets, with a queue and a worker of its own."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from camembias.cli.console import ModelOption, StoreOption, out, print_table

LABELLED = 3600
SAMPLE = 700
CANDIDATES = 3  # suspicious words a label


def register(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(first_start)


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where everything is put.")] = Path("demo"),
    tweets: Annotated[int, typer.Option(help="Size of the stream to classify.")] = 20_000,
    sample: Annotated[int, typer.Option(help="Tweets to explain.")] = SAMPLE,
) -> None:
    """All of it on invented tweets with planted shortcuts: are they found? A few minutes; again is quick.

    Example: camembias demo
    """
    from camembias.cli import asking, auditing

    data, model, store = folder / "data", folder / "models" / "demo", folder / "stores" / "demo"
    began = time.monotonic()
    stream = _model_and_stream(data, model, tweets)
    auditing.audit(model, store, stream, sample, CANDIDATES, edited=200)
    auditing.step("asking")
    asking.query("label_shares", store)
    _show_planted(store, data / "planted.json")
    _show_recount(model, store, tweets)
    asking.report(store, folder / "report.html")
    out.print(
        f"\ndone in {time.monotonic() - began:.0f} s. Everything is in {folder}/; next:\n"
        f"  camembias query --store {store}\n"
        f"  camembias query verdicts --store {store}\n"
        f"  camembias sql 'SELECT * FROM word_label_verdict LIMIT 5' --store {store}"
    )


def first_start(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    tweets: Annotated[int, typer.Option(help="Invented tweets to classify.")] = 2_000,
) -> None:
    """Where there is no model yet, make the demo's and classify invented tweets, so that a new stack has what to show.

    Example: camembias first-start --model models/default --store stores/default
    """
    from camembias import bundle
    from camembias.cli import bulk

    if (model / bundle.MANIFEST).exists():
        out.print(f"{model} is there", markup=False)
        return
    target = bundle.replaceable(model)
    # It takes its place last: a start that was cut short is gone on with, and a user's own model is left alone.
    made = target.with_name(f"{target.name}.first-start") / target.name
    bulk.classify(made, [_model_and_stream(store.parent / "first-start", made, tweets)], store)
    made.rename(target)
    shutil.rmtree(made.parent)


def _model_and_stream(data: Path, model: Path, tweets: int) -> Path:
    """The demo's model, and a file of tweets in which the planted words say nothing; what is there is kept."""
    from camembias import synthetic
    from camembias.cli import auditing
    from camembias.files import write_text

    labelled, stream = data / "labelled.csv", data / "stream.csv"
    if not labelled.exists() or not stream.exists():
        auditing.step("inventing tweets")
        write_text(data / "planted.json", json.dumps(synthetic.ground_truth(), ensure_ascii=False, indent=1))
        write_text(stream, _invented(tweets).drop("label").write_csv())
        write_text(labelled, synthetic.tweets(LABELLED, seed=1).write_csv())
    auditing.ready(labelled, model)
    return stream


def _show_planted(store: Path, planted: Path) -> None:
    """The verdict on each planted word, and its rank among the words that are no concept, for its label."""
    from camembias import catalog, sqlfiles
    from camembias import store as stores

    found = stores.open_existing(store)
    shown = catalog.run_query(found, sqlfiles.query("verdicts"), {"top": "15"})
    shown = shown.select(
        "word", "label", "verdict", "q_verdict", pl.col("^(association|reliance|effect)(_low|_high)?$")
    )
    print_table(
        shown, "words and labels: association in training, reliance and effect in logits [95 %], and the verdict"
    )
    ranked = catalog.run_query(found, sqlfiles.query("word_label"), {"min_tweets": "3"}).filter(~pl.col("concept"))
    verdicts = catalog.run_sql(found, "SELECT word, label, verdict, q_verdict FROM current_word_label_verdict")
    rows = []
    for plant in json.loads(planted.read_text(encoding="utf-8")):
        mine = {"word": plant["word"], "label": plant["label"]}
        others = ranked.filter(label=plant["label"]).with_row_index("rank", offset=1)
        row = next(others.filter(word=plant["word"]).iter_rows(named=True), {})
        said = next(verdicts.filter(**mine).iter_rows(named=True), {})
        rank = {"rank": row.get("rank"), "of": len(others), "tweets": row.get("tweets")}
        rows.append({**mine, "verdict": said.get("verdict"), "q": said.get("q_verdict"), **rank})
    print_table(pl.DataFrame(rows), "planted shortcuts: verdict, and rank by reliance among words that are no concept")


def _show_recount(model: Path, store: Path, tweets: int) -> None:
    """The shares without the words that were confirmed, and how far from the truth they are, which is known here."""
    from camembias import catalog, sqlfiles
    from camembias import store as stores
    from camembias.cli import auditing, recount

    found = stores.open_existing(store)
    if catalog.run_query(found, sqlfiles.query("recount_words")).is_empty():
        return
    auditing.step("recounting the labels without the words that are confirmed")
    recount.recount(model, store)
    stream = _invented(tweets)
    truth = stream["label"].value_counts(normalize=True, name="truth")
    shares = catalog.run_query(found, sqlfiles.query("recounted_shares")).join(truth, on="label")
    off = {name: (shares[name] - shares["truth"]).abs().sum() / 2 for name in ("share", "share_without")}
    latest = "SEMI JOIN (SELECT recount FROM recounts ORDER BY computed_at DESC LIMIT 1) USING (recount)"
    names = ("label", "label_without", "label_without_others")
    recounted = catalog.run_sql(found, f"SELECT tweet_id, {', '.join(names)} FROM recounted {latest}")
    told = recounted.join(stream.select("tweet_id", truth="label"), on="tweet_id")
    right = {name: (told[name] == told["truth"]).sum() / len(told) for name in names}
    out.print(
        f"the true labels are known here: of these tweets {right['label']:.1%} have theirs as classified, "
        f"{right['label_without']:.1%} without the words, {right['label_without_others']:.1%} without control words\n"
        f"in all the shares are off by {100 * off['share']:.1f} points as classified, by "
        f"{100 * off['share_without']:.1f} without the words: what else the model gets wrong stays"
    )


def _invented(tweets: int) -> pl.DataFrame:
    """A stream in which the planted words say nothing, with its true labels."""
    from camembias import synthetic

    return synthetic.tweets(tweets, seed=2, planted=False)
