"""What each section of the report shows: named queries asked, their answers made into tables and charts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from camembias import catalog
from camembias.report import charts
from camembias.report.findings import columns, counts, findings
from camembias.report.judged import judged, provenance
from camembias.report.power import power
from camembias.report.tables import ALL, Answer, ask, table
from camembias.report.wording import Wording
from camembias.store import Store
from camembias.text import KIND_NAMES

FINDINGS = 1000
_WORDS = "10"  # a label and direction
_NAMED = 12  # biases
_WORST = 10  # rows that are listed of incomplete explanations, all of which are counted, and of a recount's words


def classified(store: Store, say: Wording) -> dict[str, Any]:
    contents, shares = ask(store, "store_contents"), ask(store, "label_shares")
    months, refused = ask(store, "label_shares_over_time"), ask(store, "reject_reasons")
    without = ask(store, "recounted_shares_over_time")
    origins, corrected = ask(store, "retweet_shares"), ask(store, "corrected_shares")
    versions = [] if origins.rows["serving_version"].n_unique() < 2 else ["serving_version"]
    by_version = shares.rows.partition_by("serving_version", maintain_order=True)
    axis, text = say.text["share_axis"], say.text
    columns = ["label", "tweets", "share", "interval", *(["serving_version"] if len(by_version) > 1 else [])]
    return {
        "contents": contents,
        "facts_held": [
            (say.column(name), say.cell(name, value)) for row in contents.rows.to_dicts() for name, value in row.items()
        ],
        "shares": shares,
        "shares_charts": [
            (rows["serving_version"][0], charts.bars(rows.to_dicts(), "label", "share", axis, say, shares=True))
            for rows in by_version
        ],
        "shares_table": table(shares.rows.to_dicts(), columns, text["shares_caption"], say, shares=("share",)),
        "corrected": corrected,
        "corrected_table": table(
            corrected.rows.rename({"corrected_low": "low", "corrected_high": "high"}).to_dicts(),
            ["label", "share", "corrected", "interval", "coded", "coded_so", "predicted_so", "serving_version"],
            text["corrected_caption"],
            say,
            shares=("share", "corrected"),
        ),
        "origins": origins,
        "origins_table": table(
            origins.rows.to_dicts() if "retweet" in origins.rows["origin"] else [],
            ["label", "origin", "tweets", "share", "interval", *versions],
            text["origins_caption"],
            say,
            shares=("share",),
        ),
        "months": months,
        "refused": refused,
        "refused_table": table(
            refused.rows.to_dicts(),
            ["reason", "rejected", "sources", "share"],
            text["refused_caption"],
            say,
            ("share",),
        ),
        "months_without": without,
        **_over_time(months.rows, shares.rows, without.rows, say),
    }


def recounted(store: Store, say: Wording) -> dict[str, Any]:
    """What the shares would be without the suspicious words, and which of these move them; of the last recount."""
    shares, words = ask(store, "recounted_shares"), ask(store, "recounted_words", top=ALL)
    rows = shares.rows.rename({"difference_low": "low", "difference_high": "high"}).to_dicts()
    names = ["label", "share", "share_without", "difference", "interval", "others_difference", "lost", "gained"]
    known, moved = ("share", "share_without"), ("difference", "others_difference")
    caption = say.text["recount_words_caption"]
    return {
        "recount": shares,
        "recount_chart": charts.moved(rows, say.text["share_axis"], say) if rows else None,
        "recount_table": table(rows, names, say.text["recount_caption"], say, known, moved),
        "recount_words": words,
        "recount_taken_out": sorted(set(words.rows["word"])),
        "recount_words_table": table(
            words.rows.head(_WORST).to_dicts(),
            ["word", "label", "difference", "lost", "gained", "tweets"],
            caption,
            say,
            points=("difference",),
        ),
    }


def at_a_glance(
    verdicts: pl.DataFrame, recounted: pl.DataFrame, say: Wording, detectable: pl.DataFrame | None = None
) -> list[str]:
    """What was found, in a sentence or two: the biases that are confirmed, and what they do to the shares.

    Where none is: how small a bias could have been found (`detectable_effects`).
    """
    if verdicts.is_empty():
        return []
    text, confirmed = (
        say.text,
        verdicts.filter(
            pl.col("verdict").is_in(["confirmed_bias", "confirmed_away"]) & pl.col("decision").ne_missing("expected")
        ),
    )
    if confirmed.is_empty():
        return [text["glance_none"], *(power(detectable, say) if detectable is not None else ())]
    kinds = confirmed.filter(pl.col("word").is_in([*KIND_NAMES]))
    of_kinds = [
        text["glance_kind" if row["verdict"] == "confirmed_bias" else "glance_kind_away"].format(
            kind=say.of_kind(row["word"]), label=row["label"]
        )
        for row in kinds.iter_rows(named=True)
    ]
    of_kinds = [one[0].upper() + one[1:] for one in of_kinds]
    confirmed = confirmed.filter(~pl.col("word").is_in([*KIND_NAMES]))
    if confirmed.is_empty():
        return of_kinds
    named = [
        f"{row['word']} ({'' if row['verdict'] == 'confirmed_bias' else text['away_from']}{row['label']})"
        for row in confirmed.head(_NAMED).iter_rows(named=True)
    ]
    said = text["glance_biases"].format(count=say.count(confirmed.height), named=", ".join(named))
    if recounted.is_empty():
        return [said, *of_kinds, text["glance_uncounted"]]
    most = max(recounted.to_dicts(), key=lambda row: abs(row["difference"]))
    shares = {name: say.percent(most[name]) for name in ("share", "share_without")}
    return [said, *of_kinds, text["glance_shares"].format(label=most["label"], **shares)]


def _over_time(rows: pl.DataFrame, shares: pl.DataFrame, recounted: pl.DataFrame, say: Wording) -> dict[str, Any]:
    """Of the serving version that has labelled most tweets: one is enough to see a drift, all would be a heap."""
    if not rows.height:
        return {"over_time": [], "over_time_version": None, "over_time_table": None, "over_time_without": False}
    tweets = rows.group_by("serving_version").agg(pl.col("tweets").sum()).sort("tweets", "serving_version")
    version = tweets["serving_version"][-1]
    kept = rows.filter(pl.col("serving_version") == version)
    without = recounted.filter(pl.col("serving_version") == version)
    top = max([*kept["high"], *without["share_without"]])
    order = shares.filter(pl.col("serving_version") == version)["label"].to_list()
    found = [(label, kept.filter(pl.col("label") == label).to_dicts()) for label in order]
    dashed = {label: without.filter(pl.col("label") == label).to_dicts() for label in order}
    return {
        "over_time": [(label, charts.over_time(rows, top, say, dashed[label])) for label, rows in found if rows],
        "over_time_version": version,
        "over_time_without": without.height > 0,
        "over_time_table": table(
            kept.to_dicts(),
            ["month", "label", "tweets", "share", "interval"],
            say.text["over_time_caption"],
            say,
            ("share",),
        ),
    }


def models(store: Store, say: Wording) -> dict[str, Any]:
    seen = ask(store, "models_seen")
    newest = seen.rows.unique("model_version", keep="first", maintain_order=True)
    return {
        "models": seen,
        "judged": [judged(row, say) for row in newest.iter_rows(named=True)],
        "provenance": [(row["name"], provenance(row, say)) for row in seen.rows.iter_rows(named=True)],
    }


def looked_at(store: Store, say: Wording) -> dict[str, Any]:
    up, down = (ask(store, name, top=_WORDS) for name in ("words_up", "words_down"))
    concepts = ask(store, "concept_share")
    names = ["label", "share", "concept_score", "positive_score", "concept_words", "tweets"]
    return {
        "up": up,
        "down": down,
        "pushes": list(_pushes(pl.concat([up.rows, down.rows]).sort("mean_score", descending=True), say)),
        "concepts": concepts,
        "concepts_table": table(concepts.rows.to_dicts(), names, say.text["concepts_caption"], say, ("share",)),
    }


def _pushes(rows: pl.DataFrame, say: Wording) -> Iterator[dict[str, Any]]:
    names = ["word", "kind", "mean_score", "interval", "tweets", "occurrences"]
    for label in sorted(set(rows["label"])):
        found = rows.filter(pl.col("label") == label).to_dicts()
        caption = say.text["push_chart"].format(label=label)
        chart = charts.bars(found, "word", "mean_score", say.text["push_axis"], say)
        yield {"label": label, "caption": caption, "chart": chart, "table": table(found, names, caption, say)}


def verdicts(store: Store, say: Wording, with_text: bool) -> dict[str, Any]:
    found, counted = ask(store, "verdicts", top=str(FINDINGS)), ask(store, "verdict_counts")
    examples = ask(store, "finding_examples", top=str(FINDINGS)) if with_text else None
    rest = catalog.run_sql(
        store, "SELECT DISTINCT label FROM residual_labels SEMI JOIN last_explained USING (model_version)"
    )
    listed = findings(found.rows, examples.rows if examples else None, say)
    across, down, known = counts(counted.rows, say)
    options = {
        name: sorted(
            {(getattr(one, name), say.term(name, getattr(one, name))) for one in listed}, key=lambda pair: pair[1]
        )
        for name in ("label", "verdict", "kind")
    }
    return {
        "verdicts": found,
        "verdict_counts": counted,
        "detectable": ask(store, "detectable_effects"),
        "residual": ", ".join(sorted(rest["label"])),
        "examples": examples,
        "findings": listed,
        "finding_columns": columns(found.rows),
        "options": options,
        "counts": {"across": across, "down": down},
        "known": known,
    }


def explained(store: Store, say: Wording, with_text: bool) -> dict[str, Any]:
    status, quality = ask(store, "explanation_status"), ask(store, "explanation_quality")
    incomplete = ask(store, "incomplete_explanations", top=ALL)
    worst = incomplete.rows.head(_WORST).to_dicts()
    errors = ask(store, "explanation_errors")
    text, ids = say.text, ["tweet_id"] if with_text else []
    asked = ["model_version", "method", "baseline", "requests", "explained", "failed", "waiting"]
    counted = ["target", "change", "explanations", "unconverged", "share", "p95_error", "no_numbers"]
    missing = [*ids, "target", "relative_error", "delta", "steps", "model_version", "computed_at"]
    measured = ["measure", "variant", "mean", "interval", "tweets", "model_version"]
    return {
        "status": status,
        "status_table": table(status.rows.to_dicts(), asked, text["status_caption"], say),
        "errors": errors,
        "errors_table": table(errors.rows.to_dicts(), counted, text["errors_caption"], say, ("share", "p95_error")),
        "incomplete": incomplete,
        "incomplete_table": table(worst, missing, text["incomplete_caption"].format(count=len(worst)), say),
        "quality": quality,
        "quality_table": table(quality.rows.to_dicts(), measured, text["faithful_caption"], say),
    }


def ran(store: Store, say: Wording) -> dict[str, Any]:
    runs: Answer = ask(store, "last_runs")
    rows = [{**row, "job": row["kind"]} for row in runs.rows.iter_rows(named=True)]
    rows = [row for row in rows if (row["kind"], row["status"]) != ("report", "running")]  # this one
    latest = max(rows, key=lambda row: row["started_at"], default=None)
    names = ["job", "runs", "failed", "status", "started_at", "finished_at"]
    return {
        "runs": runs,
        "runs_table": table(rows, names, say.text["runs_caption"], say),
        "versions": json.loads(latest["versions"] or "{}") if latest else {},
    }
