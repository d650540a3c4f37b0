"""explain-quality"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camembias.cli.console import (
    JsonOption,
    ModelOption,
    StoreOption,
    needs,
    out,
    print_json,
    print_table,
    progress_bar,
)
from camembias.errors import InputError


def register(app: typer.Typer) -> None:
    app.command("explain-quality")(explain_quality)


def explain_quality(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    sample: Annotated[int, typer.Option(help="Explained tweets to measure on, at most.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the sample, the random orders and the shuffled weights.")] = 0,
    json_: JsonOption = False,
) -> None:
    """Measure whether explanations tell what the model does: erasing words, and shuffling weights.

    Example: camembias explain-quality --model models/mine --store stores/mine --sample 100
    """
    from camembias import bundle as bundles
    from camembias import catalog
    from camembias import store as stores

    if sample < 2:
        raise InputError(f"--sample {sample}: give a number of tweets of at least 2, or there is no interval")
    bundle = bundles.load(model)
    target = stores.open_existing(store)
    with needs("worker"):
        from explain_worker import quality
        from explain_worker.job import Model
    opened = Model.open(bundle)
    with target.shared():
        tweets = quality.explained_tweets(target, opened, sample, seed)
    with stores.running(target, "explain-quality", {"sample": sample, "seed": seed}) as run:
        total = len(tweets) + 3 * min(len(tweets), quality.RANDOMISED_TWEETS)
        with progress_bar("measuring", total, "tweets") as advance:
            rows = quality.quality(opened, tweets, seed, advance)
        target.write("quality", run.run_id, rows)
        run.counts["tweets"] = len(tweets)
    catalog.refresh(target)
    shown = rows.select("measure", "variant", "tweets", "mean", "low", "high")
    if json_:
        print_json(shown.to_dicts())
        return
    print_table(shown, f"Faithfulness of the explanations by model {bundle.model_version}")
    out.print(
        "comprehensiveness: higher than random is better; sufficiency: lower than random is better; "
        f"randomised_parameters: near 0 is better\nnext: camembias query explanation_quality --store {store}"
    )
