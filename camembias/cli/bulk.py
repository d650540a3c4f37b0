"""classify"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camembias.cli.console import JsonOption, LogJsonOption, StoreOption, needs, out, print_json, progress_bar

if TYPE_CHECKING:
    from camembias.store import Run

STOPPED = 75  # EX_TEMPFAIL: run the command again, and it goes on where it stopped


def register(app: typer.Typer) -> None:
    app.command()(classify)


def classify(
    model: Annotated[Path, typer.Argument(help="Folder of an exported model bundle.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files, folders or quoted patterns: CSV, TSV, NDJSON, Parquet; .gz too. - is NDJSON on stdin."
        ),
    ] = None,
    store: StoreOption = Path("stores/default"),
    text_column: Annotated[
        str | None,
        typer.Option(
            help="Column of the tweet's text; guessed when not given. Of a,b the first that is not empty counts."
        ),
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of the tweet's id; guessed when not given.")] = None,
    author_column: Annotated[str | None, typer.Option(help="Column of the author; guessed when not given.")] = None,
    time_column: Annotated[
        str | None, typer.Option(help="Column of the time it was written; guessed when not given.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of text files; UTF-8 when not given.")] = None,
    keep_authors: Annotated[bool, typer.Option("--keep-authors", help="Store author names, not hashes.")] = False,
    follow: Annotated[Path | None, typer.Option(help="Classify what arrives in this folder, until stopped.")] = None,
    max_rejects: Annotated[
        str | None, typer.Option(help="Stop when more rows than this are refused: 500, or 2%.")
    ] = None,
    json_: JsonOption = False,
    log_json: LogJsonOption = False,
) -> None:
    """Classify tweets in bulk into a store. Run it again to resume: what is done is skipped.

    Exit codes: 0 done, 2 your mistake or too many refused rows, 75 stopped by a signal or no room: run it again.

    Example: camembias classify models/mine tweets.csv.gz --store stores/mine
    """
    with needs("batch"):
        from batch import classify as stage
        from batch.classifier import Classifier
        from batch.follow import arriving
        from batch.limits import RejectLimit
        from batch.readers import check
        from batch.sources import Source, expand
    from camembias import bundle as bundles
    from camembias import catalog, concepts, logs
    from camembias import store as stores
    from camembias.errors import InputError
    from camembias.files import known_encoding
    from camembias.settings import tune_malloc

    tune_malloc()
    if follow is not None and (inputs or not follow.is_dir()):
        raise InputError(f"--follow '{follow}' takes an existing folder and no other input; name the folder only")
    limit = RejectLimit.parse(max_rejects) if max_rejects is not None else None
    bundle = bundles.load(model)
    read_as = (text_column, id_column, author_column, time_column, known_encoding(encoding))
    sources = [Source(path, *read_as) for path in ([] if follow else expand(inputs or []))]
    for source in sources:
        check(source)
    classifier = Classifier.open(bundle)
    target = stores.create(store)
    target.register_model(bundle)
    concepts.ensure(target)
    catalog.refresh(target)  # views over parts: from here on, readers see every part as it lands
    arguments = {"model": str(model), "inputs": list(map(str, inputs or [])), "follow": follow and str(follow)}
    logs.to(sys.stderr, log_json)
    began = time.monotonic()
    with stopped_by_signals() as stop, stores.running(target, "classify", arguments) as run:
        job = stage.open_job(classifier, target, run)
        job.keep_authors, job.limit, job.stop = keep_authors, limit, stop
        with progress_bar("classifying", unit="tweets") as job.progress:
            if follow is None:
                stage.classify(job, sources)
            else:
                job.follows = True
                for paths in arriving(follow, stop):
                    before = dict(run.counts)
                    job.known.refresh()
                    stage.classify(job, [Source(path, *read_as) for path in paths])
                    run.save()
                    _log(run, before)
        run.status = "stopped" if stop.is_set() else "done"
    _tell(run, store, time.monotonic() - began, json_)
    if stop.is_set() and follow is None:
        raise typer.Exit(STOPPED)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Set by the first SIGTERM or SIGINT: the job then ends in good order. A second one kills."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may take signals
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def set_stop(number: int, frame: object) -> None:
        stop.set()
        for number in before:
            signal.signal(number, signal.SIG_DFL)

    for number in before:
        signal.signal(number, set_stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log(run: Run, before: Mapping[str, float]) -> None:
    """What became of the files that arrived."""
    from camembias import logs

    new = {name: count - before.get(name, 0) for name, count in run.counts.items()}
    message = "{files:,} files arrived: {rows:,} rows, {classified:,} classified, {known:,} known, {rejects:,} refused"
    logs.event("arrived", message.format(**new), new)


def _tell(run: Run, store: Path, seconds: float, json_: bool) -> None:
    counts = run.counts
    rate = counts["classified"] / seconds if seconds else 0.0
    if json_:
        print_json({**counts, "status": run.status, "seconds": round(seconds, 2), "tweets_per_second": round(rate, 1)})
        return
    lines = [
        f"{run.status}: {counts['rows']:,} rows read from {counts['files']:,} files",
        f"{counts['classified']:,} classified ({rate:,.0f} tweets/s): {counts['cached']:,} by a text scored before, "
        f"{counts['rescored']:,} in fp32, {counts['abstained']:,} abstained",
        f"{counts['known']:,} known already, {counts['rejects']:,} refused, {counts['forgotten']:,} of forgotten "
        f"tweets; {counts['skipped']:,} rows skipped",
        *([f"why refused: camembias query reject_reasons --store {store}"] if counts["rejects"] else []),
        f"store {store}; next: camembias query --store {store}",
    ]
    out.print("\n".join(lines))
