"""selftest: plant biases, audit, and mark the audit."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer

from camembias.cli.console import JsonOption, out, print_json, print_table
from camembias.cli.learning import BaseModel

if TYPE_CHECKING:
    from camembias.bundle import Bundle
    from camembias.store import Store
    from camembias.synthetic import Plant

# What speaks for the rest is no bias, but as true or false as one. Kinds are no words that the oracle could insert.
_VERDICTS = """
SELECT * REPLACE (
    CASE
        WHEN verdict <> 'residual' THEN verdict
        WHEN effect > 0 THEN 'confirmed_bias'
        ELSE 'confirmed_away'
    END AS verdict
)
FROM current_word_label_verdict WHERE kind <> 'kind'
"""
_WITNESSES = """
WITH p AS (
    SELECT word, label, coalesce(association_p_towards, 1) AS association, coalesce(reliance_p_towards, 1) AS reliance,
        effect_p_towards AS effect
    FROM word_label_witnesses SEMI JOIN last_explained USING (model_version, method, baseline)
    WHERE effect_p_towards IS NOT NULL AND kind <> 'kind' AND word NOT IN (SELECT word FROM concepts)
)
SELECT *, greatest(association, reliance, effect) AS verdict FROM p ORDER BY word, label
"""
# Of the control words as they were deleted: what a word's insertion must exceed, too.
_FLOOR = """
SELECT median(floor) AS floor FROM control_floor SEMI JOIN last_explained USING (model_version) WHERE measure = 'delete'
"""


class Kind(StrEnum):
    PLANTED = "planted"
    UNPLANTED = "unplanted"
    PERMUTED = "permuted"


def register(app: typer.Typer) -> None:
    app.command()(selftest)


def selftest(
    folder: Annotated[Path, typer.Option("--folder", help="Where everything is put.")] = Path("selftest"),
    seed: Annotated[int, typer.Option(help="Of the tweets and of what is planted.")] = 1,
    kind: Annotated[
        Kind,
        typer.Option(
            help="planted: 30 biased words; unplanted: none, and every word that goes with a label counts as expected; "
            "permuted: none, and labels shuffled."
        ),
    ] = Kind.PLANTED,
    labelled: Annotated[int, typer.Option(help="Tweets to train on.")] = 5_000,
    tweets: Annotated[int, typer.Option(help="Size of the stream.")] = 10_000,
    sample: Annotated[int, typer.Option(help="Tweets to explain.")] = 2_400,
    base_model: BaseModel = "tiny",
    json_: JsonOption = False,
) -> None:
    """Plant words of known bias, train, audit, and compare what is found with what is there. Exit code 1 if it fails.

    Example: camembias selftest --seed 3
    """
    from camembias import bundle, concepts, exam, synthetic
    from camembias import store as stores
    from camembias.cli import auditing
    from camembias.files import write_text

    here = folder / f"{kind.value}-{seed}"
    table, stream, model, store = here / "labelled.csv", here / "stream.csv", here / "models/exam", here / "stores/exam"
    plants = exam.plants(seed) if kind is Kind.PLANTED else ()
    with redirect_stdout(sys.stderr) if json_ else nullcontext():  # what the stages say is no JSON
        if not stream.exists():
            invented = synthetic.tweets(tweets, 1_000 + seed, planted=False, plants=plants)
            write_text(table, _labelled(plants, kind, labelled, seed).write_csv())
            write_text(stream, invented.drop("label").write_csv())
        auditing.ready(table, model, base_model)
        association = {} if kind is Kind.PERMUTED else exam.fresh_associations(plants, seed)
        if kind is Kind.UNPLANTED:  # what the invented tweets are about is no bias; without it nothing is to be found
            concepts.put(stores.create(store), exam.tied(association))
        auditing.audit(model, store, stream, sample, candidates=10, edited=200)
        auditing.step("marking")
    report = _mark(bundle.load(model), stores.open_existing(store), plants, association, stream)
    report = {"kind": kind.value, "seed": seed, **report}
    if json_:
        print_json(report)
    else:
        _say(report)
    if not report["passed"]:
        sys.exit(1)


def _labelled(plants: tuple[Plant, ...], kind: Kind, count: int, seed: int) -> pl.DataFrame:
    from camembias import synthetic

    made = synthetic.tweets(count, seed, planted=kind is Kind.PLANTED, plants=plants)
    return made.with_columns(pl.col("label").shuffle(seed)) if kind is Kind.PERMUTED else made


def _mark(
    bundle: Bundle, store: Store, plants: tuple[Plant, ...], association: dict[tuple[str, str], float], stream: Path
) -> dict[str, Any]:
    from camembias import catalog, exam

    verdicts, witnesses = catalog.run_sql(store, _VERDICTS), catalog.run_sql(store, _WITNESSES)
    effects = _oracle(bundle, plants, set(witnesses["word"]), stream)
    truth = exam.Truth(plants, association, effects, catalog.run_sql(store, _FLOOR)["floor"][0] or 0.05)
    table, found = exam.graded(verdicts, truth), exam.discoveries(verdicts, truth)
    rankings = exam.rankings(witnesses, truth)
    alone = exam.rankings(exam.standing_alone(witnesses, truth), truth)
    marks = exam.marks(table, found)
    tested = verdicts["q_verdict"].count()
    return {
        "floor": truth.floor,
        "pairs_tested": tested,
        **marks,
        "average_precision": {name: both[0] for name, both in rankings.items()},
        "precision_at_k": {name: both[1] for name, both in rankings.items()},
        "average_precision_alone": {name: both[0] for name, both in alone.items()},
        "planted": table.to_dicts(),
        "found": found.to_dicts(),
        "passed": tested > 0 and exam.passed(marks),  # where nothing could be confirmed, nothing was tested
    }


def _oracle(bundle: Bundle, plants: tuple[Plant, ...], words: set[str], stream: Path) -> dict[tuple[str, str], float]:
    from camembias import exam
    from camembias.scoring import Scorer
    from camembias.settings import cpu_count

    scorer = Scorer.open(bundle.layout, bundle.layout.onnx, bundle.manifest.max_length, cpu_count())
    found = exam.insertion_effects(scorer, plants, words, pl.read_csv(stream)["text"].to_list())
    return {
        (word, name): float(effect)
        for word, effects in found.items()
        for name, effect in zip(bundle.labels.names, effects, strict=True)
    }


def _say(report: dict[str, Any]) -> None:
    shown = ["word", "kind", "label", "purity", "docs", "tweets", "oracle", "used", "verdict", "q_verdict"]
    if report["planted"]:
        rows = pl.DataFrame(report["planted"]).sort("purity", "oracle", descending=True).select(shown)
        print_table(rows, "planted words; oracle: logits by which inserting the word moves its label")
    if report["found"]:
        found = pl.DataFrame(report["found"]).filter(~pl.col("planted"))
        if len(found):
            print_table(found, "confirmed, but not planted; true: generator and oracle agree")
    for name, value in report.items():
        if isinstance(value, int | float | str):
            out.print(f"{name:>23}  {value:.3g}" if isinstance(value, float) else f"{name:>23}  {value}", markup=False)
    for name in ("average_precision", "precision_at_k", "average_precision_alone"):
        values = ", ".join(f"{witness} {value:.3f}" for witness, value in report[name].items())
        if values:
            out.print(f"{name:>23}  {values}", markup=False)
