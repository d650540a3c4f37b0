"""effects"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camembias.cli.console import (
    BrokerOption,
    JsonOption,
    ModelOption,
    StoreOption,
    errors,
    needs,
    out,
    print_json,
    progress_bar,
    words_given,
)
from camembias.errors import BrokerError, InputError, StoreError
from camembias.settings import DEFAULT_BROKER_URL

if TYPE_CHECKING:
    import polars as pl

    from camembias.bundle import Bundle
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
    explain: Annotated[
        int,
        typer.Option(
            min=0,
            help="Then explain up to so many further tweets of words whose verdict hangs on it, and wait for it.",
        ),
    ] = 0,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, max=1e9, help="With --explain: give up after so many seconds without news.")
    ] = 300,
    broker_url: BrokerOption = DEFAULT_BROKER_URL,
    json_: JsonOption = False,
) -> None:
    """Take suspicious words out of tweets, whole or without their companions, and see what the model then says.

    With --explain one command takes a store with explained samples to its verdicts.

    Example: camembias effects --model models/mine --store stores/mine --top 20 --explain 500
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
    known = catalog.run_query(target, sqlfiles.query("effect_candidates"), {**mine, "top": None})
    asked = known.filter(known["rank"] <= top) if top else known.clear()
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
    concepts = catalog.run_sql(target, "SELECT DISTINCT word FROM concepts")["word"].to_list()
    arguments = {"model": str(model), "words": word, "top": top, "tweets": tweets, "explain": explain}
    planned = stage.plan(bundle, target, targets, tweets, concepts)
    if not json_:
        out.print(f"{planned.texts:,} texts to score, of {len(planned.words)} words")
    bar = progress_bar("editing", planned.texts, "texts")
    with stores.running(target, "effects", arguments) as run, bar as advance:
        stage.measure(scorer, bundle, target, planned, run, advance)
        stage.write_pieces(scorer, bundle, target, _explained_words(target, bundle.model_version))
    catalog.refresh(target)
    trouble, further = None, 0
    if explain:
        try:
            further = _explain(target, bundle, explain, set(concepts), broker_url, timeout_s)
        except BrokerError as err:  # the edits are made, and say what they say
            trouble = err
    edited = f"SELECT DISTINCT word FROM word_label_edit WHERE model_version = '{bundle.model_version}'"
    done = catalog.run_sql(target, edited)["word"].implode()
    left = known.filter(~known["word"].is_in(done) & (known["strength"] > 0))
    undecided = catalog.run_query(target, sqlfiles.query("undecided_words"), mine)
    counts: dict[str, Any] = {**run.counts, "candidates": len(candidates), "controls": len(targets) - len(candidates)}
    counts |= {"unedited": left.height, "undecided": undecided.height, "explained_further": further}
    if json_:
        print_json(counts)
    else:
        _say(store, counts, left, undecided)
        say_residual(target, bundle.model_version)
        say_power(target)
    if trouble is not None:
        raise BrokerError(f"the edits are stored, further tweets are not explained: {trouble}") from trouble


def _explain(store: Store, bundle: Bundle, budget: int, concepts: set[str], broker_url: str, timeout_s: float) -> int:
    """Explain further tweets of undecided words, each word's up to one fixed number, and make the statistics anew.

    Returns how many tweets were asked for.
    """
    from camembias import catalog, requests, sqlfiles
    from camembias.cli import waiting

    words = catalog.run_query(store, sqlfiles.query("undecided_words"), {"model": bundle.model_version})
    if words.is_empty():
        return 0
    how = requests.How(bundle.labels.names)
    with store.shared():
        asked, served = requests.ask_words(
            store, bundle, words["word"].to_list(), words["wanted"][0], budget, how, concepts
        )
    errors.print(
        f"explaining {asked.tweets} further tweets of {len(served)} of {words.height} undecided words", markup=False
    )
    waiting.send_lost(store, bundle, broker_url, asked.all_batches)
    waiting.wait_for(store, bundle, broker_url, asked.all_batches, timeout_s)
    catalog.refresh(store)
    return asked.tweets


def say_residual(store: Store, model_version: str) -> None:
    """Which label is taken for what no topic is, and from what that was guessed: its words are headlined as no bias."""
    from camembias import catalog

    sql = f"SELECT label, given FROM residual_labels WHERE model_version = '{model_version}' ORDER BY label"
    for label, given in catalog.run_sql(store, sql).iter_rows():
        why = "as the concepts file says" if given else "by its name and because it has no concept words"
        errors.print(
            f"'{label}' is taken for the label of the rest, {why}: what pushes towards it is listed as residual, "
            "not as a bias",
            markup=False,
            soft_wrap=True,
        )


def say_power(store: Store) -> None:
    """Where no word is confirmed: what could have been."""
    from camembias import catalog, sqlfiles
    from camembias.report.power import power
    from camembias.report.wording import Wording

    confirmed = "SELECT count(*) AS n FROM current_word_label_verdict WHERE starts_with(verdict, 'confirmed')"
    if catalog.run_sql(store, confirmed)["n"][0]:
        return
    say = Wording("en")
    sentences = power(catalog.run_query(store, sqlfiles.query("detectable_effects")), say)
    for sentence in [say.text["glance_none"], *sentences] if sentences else ():
        errors.print(sentence, markup=False, soft_wrap=True)


def _say(store: Path, done: dict[str, Any], left: pl.DataFrame, undecided: pl.DataFrame) -> None:
    out.print(
        f"{done['candidates']} candidates and {done['controls']} control words: "
        f"{done['edits']} edits of {done['words']} words now, {done['skipped']} words done before"
        + (f", {done['unseen']} in no stored tweet" if done["unseen"] else "")
        + _left(left, undecided)
        + f"\nnext: camembias query verdicts --store {store}",
        markup=False,
        soft_wrap=True,
    )


def _left(left: pl.DataFrame, undecided: pl.DataFrame) -> str:
    said = ""
    if left.height:
        said += f"\n{left.height} more candidates are not edited, so not confirmed: --top {max(left['rank'])} edits all"
    if undecided.height:
        lacking = int((undecided["wanted"] - undecided["tweets"]).sum())
        said += (
            f"\n{undecided.height} edited words act as training says, in too few explained tweets for a verdict: "
            f"--explain {lacking} would bring each to {undecided['wanted'][0]}"
        )
    return said


def _explained_words(store: Store, model_version: str) -> list[str]:
    from camembias import catalog

    of_it = f"model_version = '{model_version}' AND kind <> 'kind'"
    sql = f"SELECT DISTINCT word FROM word_label_sums WHERE {of_it} ORDER BY word"
    return catalog.run_sql(store, sql)["word"].to_list()
