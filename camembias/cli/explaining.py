"""explain"""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer

from camembias.cli.completeness import completeness
from camembias.cli.console import (
    BrokerOption,
    JsonOption,
    ModelOption,
    StoreOption,
    errors,
    name_values,
    not_in_a_store,
    out,
    print_json,
    words_given,
)
from camembias.errors import InputError
from camembias.settings import DEFAULT_BROKER_URL

if TYPE_CHECKING:
    from camembias.bundle import Bundle
    from camembias.requests import Asked, How
    from camembias.shading import Shading
    from camembias.store import Store

_MOST_SHOWN = 20


class Strategy(StrEnum):
    UNIFORM = "uniform"
    STRATIFIED = "stratified"
    WORD = "word"


class Baseline(StrEnum):
    MASK = "mask"
    PAD = "pad"
    ZERO = "zero"


def register(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    model: ModelOption = Path("models/default"),
    store: StoreOption = Path("stores/default"),
    tweet: Annotated[list[str] | None, typer.Option("--tweet", help="Id of a classified tweet; may repeat.")] = None,
    text: Annotated[str | None, typer.Option(help="Any text; all labels are explained.")] = None,
    sample: Annotated[int | None, typer.Option(help="Expected size of a sample.")] = None,
    strategy: Annotated[
        Strategy, typer.Option(help="With --sample. stratified: label x confidence; word: tweets with candidate words.")
    ] = Strategy.UNIFORM,
    word: Annotated[list[str] | None, typer.Option(help="A candidate word for --strategy word; may repeat.")] = None,
    words: Annotated[Path | None, typer.Option(help="A file of candidate words, one a line.")] = None,
    from_query: Annotated[str | None, typer.Option(help="A named query with a column tweet_id.")] = None,
    param: Annotated[list[str] | None, typer.Option(help="With --from-query: name=value; may repeat.")] = None,
    top: Annotated[
        int | None, typer.Option(help="With --from-query: most tweets. With --strategy word: candidate words a label.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Queue again what was asked and never explained.")] = False,
    target: Annotated[str, typer.Option(help="'all' labels, the 'predicted' one, or the name of one.")] = "all",
    baseline: Annotated[Baseline, typer.Option(help="What a missing word is.")] = Baseline.MASK,
    again: Annotated[bool, typer.Option("--again", help="Also what is explained already.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all is explained; show a text or tweets.")] = False,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, max=1e9, help="With --wait: give up after so many seconds without news.")
    ] = 300,
    html: Annotated[
        Path | None, typer.Option(callback=not_in_a_store, help="With --wait: write the shaded texts to this page.")
    ] = None,
    broker_url: BrokerOption = DEFAULT_BROKER_URL,
    json_: JsonOption = False,
) -> None:
    """Queue explanations for a worker: a sample, tweets by id or from a query, or a text.

    Example: camembias explain --model models/mine --store stores/mine --text "Vive le train" --wait
    """
    from camembias import bundle as bundles
    from camembias import catalog
    from camembias import store as stores
    from camembias.cli import waiting
    from camembias.progress import Counts
    from camembias.requests import How, ask_unfinished

    if sum(value is not None for value in (tweet, sample, text, from_query)) + resume != 1:
        ways = "--sample N, --tweet ID, --text TEXT, --from-query NAME, --resume"
        raise InputError(f"say what to explain: exactly one of {ways}")
    if html is not None and not (wait and (tweet or text)):
        raise InputError("--html: it shows texts and tweets, once explained; add --wait to --text or --tweet")
    began = time.monotonic()
    bundle, target_store = bundles.load(model), stores.open_existing(store)
    how = How(_targets(bundle, target), baseline.value, again)
    with target_store.shared():
        if sample is not None:
            asked = _ask_sample(target_store, bundle, sample, strategy, [*(word or []), *_lines(words)], top, how)
        elif from_query is not None:
            asked = _ask_query(target_store, bundle, from_query, name_values("--param", param), top, how)
        elif resume:
            asked = ask_unfinished(target_store, bundle)
        else:
            asked = _ask_picked(target_store, bundle, tweet, text, how)
    sent = waiting.send_lost(target_store, bundle, broker_url, asked.all_batches)
    if not json_ and not (asked.urgent and wait):
        _say_asked(target_store, bundle, asked, len(sent))
    found = waiting.wait_for(target_store, bundle, broker_url, asked.all_batches, timeout_s) if wait else Counts()
    if wait:
        catalog.refresh(target_store)
    shadings = _shadings(target_store, bundle, asked, how, target, text) if wait and asked.urgent else []
    seconds = time.monotonic() - began
    if html is not None:
        from camembias.shading import write_html

        write_html(shadings, html)
    if json_:
        counts = (
            {"explained": found.explained, "unconverged": found.unconverged, "failed": found.failed} if wait else {}
        )
        shown = {"explanations": [one.to_dict() for one in shadings]} if asked.urgent and wait else {}
        print_json(
            {"tweets": asked.tweets, "batches": len(asked.batches), **counts, "seconds": round(seconds, 2), **shown}
        )
    elif wait and asked.urgent:
        _say_shown(target_store, asked, shadings, html)
    elif wait:
        rate = found.explained / seconds if seconds else 0.0
        out.print(
            f"{found.explained} explanations in {seconds:.1f} s ({rate:.1f}/s), {found.unconverged} of them fail "
            f"completeness, {found.failed} tweets failed",
            *completeness(target_store),
            f"next: camembias query word_label --store {store}",
            sep="\n",
            markup=False,
        )


def _targets(bundle: Bundle, target: str) -> tuple[str, ...]:
    if target == "predicted":
        return ()
    return bundle.labels.names if target == "all" else (bundle.labels.names[bundle.labels.id(target)],)


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as err:
        raise InputError(f"--words '{path}' cannot be read ({err}); give a UTF-8 text file, one word a line") from err


def _ask_sample(
    store: Store, bundle: Bundle, size: int, strategy: Strategy, words: list[str], top: int | None, how: How
) -> Asked:
    from camembias import requests, sampling

    if words and strategy is not Strategy.WORD:
        raise InputError(f"--word and --words need --strategy word, not '{strategy.value}'")
    counted = words_given("--word", words)
    if strategy is Strategy.WORD and not words:
        counted = sampling.candidate_words(store, bundle, top or 50)
    return requests.ask_sample(store, bundle, size, strategy.value, how, counted)


def _ask_query(
    store: Store, bundle: Bundle, name: str, values: dict[str, str | None], top: int | None, how: How
) -> Asked:  # fmt: skip
    from camembias import catalog, requests, sqlfiles

    query = sqlfiles.query(name)
    if "tweet_id" not in query.columns:
        raise InputError(f"--from-query {name}: it has no column tweet_id; it has {', '.join(query.columns)}")
    if top is not None and "top" in (param.name for param in query.params):
        values = {**values, "top": str(top)}
    found = catalog.run_query(store, query, values)["tweet_id"].unique(maintain_order=True)
    return requests.ask_tweets(store, bundle, found.head(top or len(found)).to_list(), how, by=f"query:{name}")


def _ask_picked(store: Store, bundle: Bundle, tweets: list[str] | None, text: str | None, how: How) -> Asked:
    from camembias import requests

    if text is not None:
        return requests.ask_text(store, bundle, text, how)
    return requests.ask_tweets(store, bundle, tweets or [], how)


def _say_asked(store: Store, bundle: Bundle, asked: Asked, sent: int) -> None:
    from camembias import progress

    known = len(asked.tweet_ids) - asked.tweets
    out.print(
        f"{asked.tweets} tweets asked ({asked.explanations} explanations), {sent} batches queued"
        + (f"; {known} tweets are explained or wait already" if known > 0 else "")
    )
    for version, tweets in progress.waiting_for_others(store, bundle.model_version).items():
        out.print(f"{tweets} tweets wait for a worker with model {version}", markup=False)


def _say_shown(store: Store, asked: Asked, shadings: list[Shading], html: Path | None) -> None:
    from camembias import progress
    from camembias.cli.shading import print_shadings

    if html is None:
        print_shadings(shadings[:_MOST_SHOWN])
    else:
        out.print(f"{len(shadings)} texts written to {html}", markup=False)
    for batch in asked.all_batches:
        for tweet, error in progress.made_of(store, "failures", batch).select("tweet_id", "error").iter_rows():
            errors.print(f"{tweet} could not be explained: {error}", markup=False)


def _shadings(store: Store, bundle: Bundle, asked: Asked, how: How, target: str, text: str | None) -> list[Shading]:
    """Of the texts or tweets asked for, in that order, those that are explained."""
    from camembias import progress, sampling
    from camembias.shading import shade
    from camembias.text import normalise

    rows = progress.latest(store, asked.tweet_ids, bundle.model_version, how.baseline)
    ids = pl.Series(asked.tweet_ids, dtype=pl.String())
    texts = dict(sampling.texts_of(store, ids).rows()) if text is None else {ids[0]: normalise(text)}
    wanted = None if target in ("all", "predicted") else target
    found = rows.partition_by("tweet_id", as_dict=True)
    return [
        shade(found[(one,)].to_dicts(), texts[one], bundle.labels.names, bundle.manifest.temperature, wanted)
        for one in asked.tweet_ids
        if (one,) in found
    ]
