"""recount"""

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
    words_given,
)
from camembias.errors import InputError

_NAMED = 12  # words on the last line


def register(app: typer.Typer) -> None:
    app.command()(recount)


def recount(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    word: Annotated[
        list[str] | None, typer.Option("--word", help="Take out this word, not the confirmed ones; may repeat.")
    ] = None,
    tweets: Annotated[int, typer.Option(min=2, help="Most tweets recounted; of more, so many are drawn.")] = 20_000,
    json_: JsonOption = False,
) -> None:
    """What the shares of the labels would be without the words that are biased: classify their tweets without them.

    Example: camembias recount --model models/mine --store stores/mine
    """
    from camembias import bundle as bundles
    from camembias import catalog, sqlfiles
    from camembias import store as stores

    with needs("batch"):
        from batch import recount as stage
        from batch.classifier import Classifier
    bundle = bundles.load(model)
    target = stores.open_existing(store)
    given = words_given("--word", word or [])
    catalog.refresh(target)
    mine = {"model": bundle.model_version}
    suspects = given or catalog.run_query(target, sqlfiles.query("recount_words"), mine)["word"].to_list()
    if not suspects:
        raise InputError(
            f"'{store}' has no word that is confirmed to be a bias of this model; name words with --word, "
            f"or run: camembias effects --model {model} --store {store}"
        )
    controls = catalog.run_query(target, sqlfiles.query("control_words"), mine)["word"].to_list()
    planned = stage.plan(target, bundle, suspects, controls, tweets)
    if not planned.tweets:
        raise InputError(f"no classified tweet of '{store}' holds any of: {', '.join(suspects)}")
    classifier = Classifier.open(bundle)
    arguments = {"model": str(model), "words": list(planned.words), "tweets": tweets}
    with (
        stores.running(target, "recount", arguments) as run,
        progress_bar("recounting", 2 * len(planned.tweets), "texts") as advance,
    ):
        name = stage.recount(classifier, target, planned, run, advance)
    catalog.refresh(target)
    shown = catalog.run_query(target, sqlfiles.query("recounted_shares"), {"recount": name})
    if json_:
        print_json({"recount": name, **run.counts, "shares": shown.to_dicts()})
        return
    print_table(shown.drop("serving_version"), "shares of the labels as classified, and without the words")
    others = len(planned.words) - _NAMED
    named = ", ".join(planned.words[:_NAMED]) + (f" and {others} more" if others > 0 else "")
    out.print(
        f"taken out: {named}\n{planned.holders} of {sum(planned.frame.values())} tweets hold one, "
        f"{'all' if len(planned.tweets) == planned.holders else len(planned.tweets)} of them were recounted"
        + ("; others_difference is what as many control words do" if controls else "")
        + f"\nnext: camembias query recounted_words --store {store}",
        markup=False,
    )
