"""query · sql · report · refresh · doctor"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import polars.selectors as cs
import typer

from camembias import catalog, coded, concepts, decisions, sqlfiles
from camembias import store as stores
from camembias.cli.completeness import completeness
from camembias.cli.console import StoreOption, name_values, not_in_a_store, out, print_table, print_text
from camembias.errors import CamembiasError, InputError
from camembias.files import write_bytes, write_text
from camembias.store import Store

DEFAULT_STORE = Path("stores/default")


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class Lang(StrEnum):
    EN = "en"
    FR = "fr"


FormatOption = Annotated[
    Format | None, typer.Option("--format", help="How to print the rows: a table, or what --out ends in.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", callback=not_in_a_store, help="Write to this file instead: .csv, .json or .parquet."),
]
PageOption = Annotated[Path, typer.Option("--out", callback=not_in_a_store, help="The HTML file to write.")]


def register(app: typer.Typer) -> None:
    for command in (query, sql, report, refresh, doctor):
        app.command()(command)


def query(
    name: Annotated[str | None, typer.Argument(help="A named query; their list when not given.")] = None,
    store: StoreOption = DEFAULT_STORE,
    param: Annotated[list[str] | None, typer.Option(help="name=value, or name= for no value; may repeat.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print question, unit, caveat and SQL.")] = False,
    format_: FormatOption = None,
    out_: OutOption = None,
) -> None:
    """Ask a named question, or list them.

    Example: camembias query words_up --store stores/mine --param label=avion --param top=10
    """
    if name is None:
        known = [{"query": found.name, "question": found.question} for found in sqlfiles.queries().values()]
        _emit(pl.DataFrame(known), format_, out_)
        return
    found = sqlfiles.query(name)
    if explain:
        out.print(found.sql, markup=False, soft_wrap=True)
        return
    values, target = name_values("--param", param), stores.open_existing(store)
    rows = catalog.run_query(target, found, values)
    if rows.is_empty() and (label := values.get("label")):
        _refuse_unknown(target, label)
    _emit(rows, format_, out_, found.question)
    if name == "verdicts" and out_ is None and format_ in (None, Format.TABLE):
        from camembias.cli.effects import say_power

        say_power(target)


def _refuse_unknown(store: Store, label: str) -> None:
    """An empty answer to a label that no model has is a mistake, not an answer."""
    known = catalog.run_sql(store, "SELECT DISTINCT unnest(labels) AS label FROM models ORDER BY label")["label"]
    if known.len() and label not in known:
        raise InputError(f"--param label={label}: no model of this store has that label; there are: {', '.join(known)}")


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT or EXPLAIN.")],
    store: StoreOption = DEFAULT_STORE,
    format_: FormatOption = None,
    out_: OutOption = None,
) -> None:
    """Ask in SQL, read-only.

    Example: camembias sql "SELECT label, count(*) FROM predictions GROUP BY 1" --store stores/mine
    """
    _emit(catalog.run_sql(stores.open_existing(store), statement), format_, out_)


def report(
    store: StoreOption = DEFAULT_STORE,
    out_: PageOption = Path("report.html"),
    lang: Annotated[Lang, typer.Option(help="Language of the report.")] = Lang.EN,
    no_text: Annotated[bool, typer.Option("--no-text", help="Leave tweets and their ids out; words stay.")] = False,
) -> None:
    """Write one HTML file that opens offline.

    Example: camembias report --store stores/mine --lang fr --out report.html
    """
    from camembias.report import write_report

    found = stores.open_existing(store)
    arguments = {"file": str(out_.resolve()), "lang": lang.value, "no_text": no_text}
    with stores.running(found, "report", arguments):  # `forget` looks for copies there
        written = write_report(found, out_, lang.value, with_text=not no_text)
    out.print(f"report in {written}", markup=False)


def refresh(
    store: StoreOption = DEFAULT_STORE,
    concepts_: Annotated[Path | None, typer.Option("--concepts", help="A TOML file of concept words.")] = None,
    decisions_: Annotated[
        Path | None,
        typer.Option("--decisions", help="A CSV of word, label, decision (bias, expected or unsure), note."),
    ] = None,
    coded_: Annotated[
        Path | None, typer.Option("--coded", help="The CSV of query tweets_to_code, its column label filled in.")
    ] = None,
) -> None:
    """Rebuild audit.duckdb, and put other concept words, a reviewer's decisions or labels by hand into the store.

    Example: camembias refresh --store stores/mine --concepts concepts.toml --decisions review.csv
    """
    found = stores.open_existing(store)
    words = concepts.read(concepts_) if concepts_ else None  # before anything is stored: one of them may be wrong
    by_hand = coded.read(coded_) if coded_ else None
    if decisions_ is not None:
        before = _replacing(found, "decisions")
        out.print(f"{decisions.put(found, decisions_)} decisions from {decisions_}{before}", markup=False)
        _tell_strange(found, found.scan("decisions").select("label").collect()["label"].unique(), "heeds that decision")
    if words is not None:
        out.print(f"{concepts.put(found, words)} concept words from {concepts_}", markup=False)
        _tell_strange(found, words, "asks for its words")
    if by_hand is not None:
        catalog.refresh(found)  # which knows what is classified
        before = _replacing(found, "coded")
        known = coded.put(found, by_hand)
        out.print(f"{known} tweets labelled by hand, of {by_hand.height} in {coded_}{before}", markup=False)
        _tell_strange(found, by_hand["label"].unique(), "gives it to a tweet")
    out.print(f"refreshed {catalog.refresh(found)}", markup=False)
    if words is not None and found.part_names("effects"):
        out.print("other words may deserve to be edited now: run camembias effects again", markup=False)


def _replacing(store: Store, table: str) -> str:
    """Said of what a file replaces: rows that it lacks are gone."""
    before = store.scan(table).select(pl.len()).collect().item()
    return f", in place of the {before} before" if before else ""


def _tell_strange(store: Store, labels: Iterable[str], what: str) -> None:
    if strange := concepts.strange(store, labels):
        out.print(f"no model of this store has the label {', '.join(strange)}: nothing {what}", markup=False)


def doctor(store: StoreOption = DEFAULT_STORE) -> None:
    """Check what this machine has, and that the store is sound.

    Example: camembias doctor --store stores/mine
    """
    from camembias.bundle import library_versions
    from camembias.settings import cpu_count

    versions = library_versions()
    out.print(f"python {sys.version.split()[0]}, {cpu_count()} CPUs")
    out.print(", ".join(f"{name} {version}" for name, version in versions.items()))
    if not (store / "store.json").exists():
        out.print(f"no store at {store}: nothing to check there", markup=False)
        return
    found = stores.open_existing(store)
    if damaged := found.damaged():
        named = ", ".join(map(str, damaged[:5])) + (f" and {len(damaged) - 5} more" if len(damaged) > 5 else "")
        raise CamembiasError(f"damaged: {named}; restore from a backup, or remove and do again what made them")
    failed = catalog.failed_checks(found)
    if failed:
        shown = ", ".join(f"{name} ({count} rows)" for name, count in failed.items())
        raise CamembiasError(f"checks that fail in '{store}': {shown}; see sql/checks/ for what each one means")
    out.print("\n".join([f"{store}: all checks pass", *completeness(found)]), markup=False)


def _emit(frame: pl.DataFrame, given: Format | None, target: Path | None, title: str | None = None) -> None:
    format_ = given or (Format.TABLE if target is None else _format_of(target))
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    if format_ is Format.TABLE:
        if target is not None:
            raise InputError("--format table is for a screen; for --out FILE give csv, json or parquet")
        if frame.columns == ["explain_key", "explain_value"]:
            print_text("\n".join(frame["explain_value"]))  # a plan is a drawing
        else:
            print_table(frame, title)
    elif format_ is Format.PARQUET:
        if target is None:
            raise InputError("--format parquet needs --out FILE")
        body = io.BytesIO()
        frame.write_parquet(body)
        write_bytes(target, body.getbuffer())
    elif format_ is Format.JSON:
        _text(frame.with_columns(cs.binary().bin.encode("hex")).write_json(), target)
    else:
        flat = frame.with_columns(
            cs.binary().bin.encode("hex"),
            *(pl.Series(name, [_as_json(one) for one in frame[name]], pl.String()) for name in nested),
        )
        _text(flat.with_columns(_inert(flat)).write_csv(), target)


def _format_of(target: Path) -> Format:
    try:
        return Format(target.suffix.lower().removeprefix("."))
    except ValueError:
        raise InputError(f"--out '{target}': end it in .csv, .json or .parquet, or give --format") from None


def _as_json(value: Any) -> str | None:
    """A list, array or struct, as one cell of a table can hold it."""
    plain = value.to_list() if isinstance(value, pl.Series) else value
    return None if plain is None else json.dumps(plain, ensure_ascii=False, default=str)


def _inert(frame: pl.DataFrame) -> list[pl.Expr]:
    """A leading quote keeps a spreadsheet from running a tweet that starts like a formula."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    formula = r"^[=+\-@\t\r]"
    return [
        pl.when(pl.col(name).str.contains(formula)).then("'" + pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name in texts
    ]


def _text(text: str, target: Path | None) -> None:
    if target is None:
        print_text(text.rstrip("\n"))
    else:
        write_text(target, text)
