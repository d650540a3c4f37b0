"""forget"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camembias.cli.console import JsonOption, StoreOption, out, print_json
from camembias.errors import MissingExtra, StoreError
from camembias.text import printable

if TYPE_CHECKING:
    from camembias.copies import Copy
    from camembias.forget import Erased
    from camembias.store import Store

_SHOWN = 10  # names of each kind


def register(app: typer.Typer) -> None:
    app.command()(forget)


def forget(
    tweet: Annotated[list[str], typer.Argument(metavar="TWEET_ID...", help="Ids of tweets, or text-… of free texts.")],
    store: StoreOption = Path("stores/default"),
    model: Annotated[
        list[Path] | None, typer.Option(help="Also erase its training words of these tweets; may repeat.")
    ] = None,
    same_text: Annotated[
        bool, typer.Option("--same-text", help="Also forget other tweets that hold the text, such as retweets.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Erase tweets from the store for good, and show that nothing is left. Jobs and workers may run beside it.

    Example: camembias forget 1234567890123456789 --store stores/mine --model models/mine
    """
    from camembias import bundle as bundles
    from camembias import catalog, training_words
    from camembias import forget as stage
    from camembias import store as stores

    target = stores.open_existing(store)
    bundles_ = [bundles.load(path) for path in model or []]
    erased = stage.forget(target, tweet, same_text)
    trained = sum(training_words.forget(bundle, erased.ids) for bundle in bundles_)
    catalog.refresh(target)  # the statistics, without them
    answer = _looked_for(target, erased) | {"training_words": trained}
    if json_:
        print_json(answer)
    else:
        _tell(answer, bool(bundles_))
    if answer["left"]:
        raise StoreError(f"still found in '{store}': {_some(answer['left'])}; erase it there and run this again")


def _looked_for(store: Store, erased: Erased) -> dict[str, Any]:
    """What was erased, and where it was looked for: in the store, and in files made from it."""
    from camembias import copies, proof
    from camembias.forget import SHORTEST

    # a text that another tweet still holds is found there, and proves nothing
    texts = [text for text in erased.texts if len(text) >= SHORTEST and not erased.others]
    kept = {copy: copies.state(copy, erased.ids, texts) for copy in copies.made(store)}
    for copy, state in kept.items():
        if copy.kind == "report" and state == copies.HOLDS:
            kept[copy] = _written_again(store, copy, erased, texts)
    found = proof.search(store.root, erased.ids, texts)
    return {
        "forgotten": sorted(erased.ids),
        "rows": erased.rows,
        "texts": len(erased.texts),
        "texts_searched": len(texts),
        "other_tweets_with_the_text": erased.others,
        "files_searched": found.files,
        "bytes_searched": found.bytes,
        "left": found.places,
        "copies": [{"kind": copy.kind, "file": str(copy.path), "state": state} for copy, state in kept.items()],
    }


def _written_again(store: Store, copy: Copy, erased: Erased, texts: list[str]) -> str:
    """A report that held a tweet is made anew, where its packages are installed. What state that leaves it in."""
    from camembias import copies
    from camembias.report import write_report

    if not copies.is_report(copy, store):
        return copies.OTHER
    try:
        write_report(store, copy.path, copy.lang, with_text=not copy.no_text)
    except MissingExtra:
        return copies.HOLDS
    left = copies.state(copy, erased.ids, texts)
    return copies.AGAIN if left == copies.FREE else left


def _tell(answer: dict[str, Any], models: bool) -> None:
    rows = ", ".join(f"{count} of {table}" for table, count in sorted(answer["rows"].items())) or "none was stored"
    lines = [f"rows erased: {rows}"]
    lines += [f"training words of the models: {answer['training_words']} tweets erased"] if models else []
    lines += [
        f"{answer['files_searched']} files, {answer['bytes_searched'] / 1e6:,.1f} MB unpacked, searched for the id"
        + (f" and {answer['texts_searched']} texts" if answer["texts_searched"] else "")
        + (": found again" if answer["left"] else ": nothing is left")
    ]
    if others := answer["other_tweets_with_the_text"]:
        lines += [f"the text is in {len(others)} other tweets: {_some(others)}; --same-text forgets them too"]
    for copy in answer["copies"]:
        lines += [f"{copy['kind']} {copy['file']}: {copy['state']}"]
    lines += ["not reached: what the model learned, input files, and what query --out or explain --html wrote"]
    out.print("\n".join(map(printable, lines)), markup=False, soft_wrap=True)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
