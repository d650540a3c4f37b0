"""effects"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camembias.cli.console import (
    JsonOption,
    ModelOption,
    StoreOption,
    needs,
    out,
    print_json,
    progress_bar,
    words_given,
)
from camembias.errors import InputError, StoreError

if TYPE_CHECKING:
    from camembias.store import Store


def register(app: typer.Typer) -> None:
    app.command()(effects)


def effects(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    word: Annotated[list[str] | None, typer.Option("--word", help="Edit this word too; may repeat.")] = None,
    top: Annotated[
        int, typer.Option(min=0, help="Candidates a label from reliance, and as many from association.")
    ] = 20,
    tweets: Annotated[int, typer.Option(min=1, help="Most tweets edited a word.")] = 200,
    json_: JsonOption = False,
) -> None:
    """Take suspicious words out of tweets, whole or without their companions, and see what the model then says.

    Example: camembias effects --model models/mine --store stores/mine --top 20
    """
    from camembias import bundle as bundles
    from camembias import catalog, sqlfiles
    from camembias import store as stores
    from camembias.scoring import Scorer
    from camembias.settings import cpu_count

    with needs("batch"):
        from batch import effects as stage
    bundle = bundles.load(model)
    _ = bundle.serving_version  # raises before any work when there is no ONNX yet
    target = stores.open_existing(store)
    given = words_given("--word", word or [])
    catalog.refresh(target)
    mine = {"model": bundle.model_version}
    asked = catalog.run_query(target, sqlfiles.query("effect_candidates"), {**mine, "top": str(top)})
    pool = catalog.run_query(target, sqlfiles.query("control_words"), mine)
    if pool.is_empty():
        raise StoreError(
            f"'{store}' has no sampled explanations of this model to compare with; "
            f"run: camembias explain --model {model} --store {store} --sample 1000 --wait"
        )
    seen = dict(asked.select("word", "tweets").iter_rows())
    candidates = [stage.Word(name, seen.get(name, 5)) for name in dict.fromkeys([*given, *seen])]
    if not candidates:
        raise InputError("--top 0 leaves no word to edit; give --word, or a larger --top")
    controls = [stage.Word(name, count) for name, count in pool.select("word", "tweets").iter_rows()]
    targets = stage.with_controls(candidates, controls, target.salt)
    scorer = Scorer.open(bundle.layout, bundle.layout.onnx, bundle.manifest.max_length, cpu_count())
    arguments = {"model": str(model), "words": word, "top": top, "tweets": tweets}
    planned = stage.plan(bundle, target, targets, tweets)
    if not json_:
        out.print(f"{planned.texts:,} texts to score, of {len(planned.words)} words")
    bar = progress_bar("editing", planned.texts, "texts")
    with stores.running(target, "effects", arguments) as run, bar as advance:
        stage.measure(scorer, bundle, target, planned, run, advance)
        stage.write_pieces(scorer, bundle, target, _explained_words(target, bundle.model_version))
    catalog.refresh(target)
    if json_:
        print_json({**run.counts, "candidates": len(candidates), "controls": len(targets) - len(candidates)})
        return
    done = run.counts
    out.print(
        f"{len(candidates)} candidates and {len(targets) - len(candidates)} control words: "
        f"{done['edits']} edits of {done['words']} words now, {done['skipped']} words done before"
        + (f", {done['unseen']} in no stored tweet" if done["unseen"] else "")
        + "\n"
        f"next: camembias query verdicts --store {store}",
        markup=False,
    )


def _explained_words(store: Store, model_version: str) -> list[str]:
    from camembias import catalog

    sql = f"SELECT DISTINCT word FROM word_label_sums WHERE model_version = '{model_version}' ORDER BY word"
    return catalog.run_sql(store, sql)["word"].to_list()
