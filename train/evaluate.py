"""How good a model is on tweets it never saw, how sure one can be of that, and what else could explain it.

`judge` is for training, where the evidence comes with the rows the model was fitted on; `judge_table` is for a table of
fresh tweets. Both answer with numbers ready for JSON; a value that the data cannot support is None, and words say why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from camembias.bundle import Bundle, Layout
from camembias.checkpoint import load_tokenizer, special_ids
from camembias.errors import InputError
from camembias.labels import Labels
from camembias.reference import torch_logits
from camembias.scoring import Logits
from train import abstention, baselines, pictures, reading, serving, shortcuts
from train.calibration import confidence, reliability
from train.confusion import Ids
from train.evidence import Evidence
from train.intervals import Clusters, bootstrap, clusters
from train.scores import difference, ids, intervals, metrics, overall


@dataclass(frozen=True, slots=True)
class Judgement:
    metrics: dict[str, Any]
    temperature: float
    abstain_below: float | None


def judge(
    evidence: Evidence,
    labels: Labels,
    *,
    precision: float = 0.95,
    seed: int = 0,
    random_folds: Evidence | None = None,
) -> Judgement:
    """Everything that is known of a model after training. `precision` is what abstention shall promise.

    `random_folds` is the same kind of model on folds that let authors straddle, where `evidence` keeps them apart.
    Raises InputError for a precision that is no share.
    """
    if not 0 < precision < 1:
        raise InputError(f"precision {precision}: give a share between 0 and 1, both left out, such as 0.95")
    truth, by = ids(evidence.held_out, labels), clusters(evidence.held_out)
    rivals = baselines.predictions(evidence, truth, ids(evidence.fitted, labels), seed)
    said = {"model": _best(evidence.logits), **rivals}
    drawn = bootstrap(truth, list(said.values()), len(labels), by, seed)
    resampled = dict(zip(said, drawn, strict=True))
    found = metrics(truth, said["model"], labels)
    found["intervals"] = intervals(found, resampled["model"], by)
    found["splits"] = _splits(evidence, labels)
    found["baselines"] = {name: overall(truth, said[name], resampled[name], labels) for name in rivals}
    for name, row in found["baselines"].items():
        row["model_minus_this"] = difference(found, row, resampled["model"], resampled[name])
    served = serving.choose(evidence, labels, precision, seed)
    found |= {"calibration": served.calibration, "abstention": served.abstention}
    everything = pl.concat([evidence.fitted, evidence.calibration, evidence.held_out], how="diagonal_relaxed")
    everything = everything.unique("tweet_id", keep="first").sort("tweet_id")
    found["shortcuts"] = shortcuts.report(everything, labels, seed)
    found["masking"] = _masking(evidence.held_out, evidence.variants, labels, by, seed)
    found["folds_compared"] = _folds_compared(everything, evidence, random_folds, labels, seed)
    found["summary"] = reading.summary(found)
    return Judgement(found, served.temperature, served.abstain_below)


def judge_table(bundle: Bundle, rows: pl.DataFrame, *, other_label: str | None = None, seed: int = 0) -> dict[str, Any]:
    """A saved model on a table that it has not seen, with the temperature and threshold that it serves with.

    Rows labelled `other_label` are about none of the model's labels: they are left out of the scores, and `elsewhere`
    says what the model does with them. Raises InputError for any other label that the model does not know.
    """
    labels, manifest = bundle.labels, bundle.manifest
    inside, outside = _told_apart(rows, labels, other_label)
    texts = inside["text"].to_list()
    mask = load_tokenizer(bundle.layout, 8).id_to_token(special_ids(bundle.layout)["mask"])
    logits = torch_logits(bundle, texts)
    masked = shortcuts.variants(texts, labels, mask)
    rewritten = {name: torch_logits(bundle, these, marked=True) for name, these in masked.items()}
    truth, predicted, by = ids(inside, labels), _best(logits), clusters(inside)
    drawn = bootstrap(truth, [predicted], len(labels), by, seed)
    right, sure, limit = predicted == truth, confidence(logits, manifest.temperature), manifest.abstain_below
    found = metrics(truth, predicted, labels)
    found["intervals"] = intervals(found, drawn[0], by)
    found["calibration"] = {
        "temperature": manifest.temperature,
        "fitted_on": "tweets of the model's own training table",
        "before": reliability(confidence(logits), right, seed),
        "after": reliability(sure, right, seed),
    }
    found["abstention"] = {
        "abstain_below": limit,
        "target_precision": manifest.metrics.get("abstention", {}).get("target_precision"),
        "why_none": None if limit is not None else "the model was saved without one, its MODEL_CARD.md says why",
        "held_out": None if limit is None else abstention.realised(sure, right, limit),
    }
    found["shortcuts"] = shortcuts.report(inside, labels, seed)
    found["masking"] = _masking(inside, rewritten, labels, by, seed)
    if other_label is not None:
        others = torch_logits(bundle, outside["text"].to_list())
        done = abstention.elsewhere(others, manifest.temperature, limit, labels)
        found["elsewhere"] = {"label": other_label, **done}
    found["summary"] = reading.summary(found)
    return found


def draw(found: dict[str, Any], layout: Layout) -> None:
    """The two pictures of a bundle."""
    pictures.confusion_matrix(found, layout.confusion_matrix)
    pictures.reliability(found, layout.reliability)


def _best(logits: Logits) -> Ids:
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


def _told_apart(rows: pl.DataFrame, labels: Labels, other: str | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the model's labels, and rows of `other`."""
    there = sorted(set(rows["label"]))
    if other in labels.names:
        raise InputError(f"--other-label '{other}' is one of the model's own labels ({', '.join(labels.names)})")
    if other is not None and other not in there:
        raise InputError(f"no tweet is labelled '{other}' (--other-label); the table has: {', '.join(there)}")
    unknown = [label for label in there if label not in (*labels.names, other)]
    if unknown:
        raise InputError(
            f"the model does not know label '{unknown[0]}', only: {', '.join(labels.names)}; leave it out with "
            f"--drop-label, or see what the model does with it: --other-label '{unknown[0]}'"
        )
    outside = pl.col("label").is_in([] if other is None else [other])
    if rows.filter(~outside).is_empty():
        raise InputError(f"every tweet is labelled '{other}'; scores need tweets of: {', '.join(labels.names)}")
    return rows.filter(~outside), rows.filter(outside)


def _splits(evidence: Evidence, labels: Labels) -> dict[str, Any]:
    """What was held out, how much of it is by authors whom the model knew, and which folds lack a label."""
    known, each = 0, []
    for fit, score in baselines.sides(evidence):
        part = evidence.held_out[score]
        seen = evidence.fitted["author"].gather(fit).drop_nulls()
        known += int(part["author"].is_in(seen.unique().to_list()).sum()) if len(seen) else 0
        there = set(part["label"])
        each.append({"tweets": len(part), "missing_labels": [name for name in labels.names if name not in there]})
    authors = evidence.held_out["author"].drop_nulls()
    return {
        "folds": None if evidence.fold is None else len(each),
        "fitted": len(evidence.fitted),
        "calibration": len(evidence.calibration),
        "held_out": len(evidence.held_out),
        "authors": authors.n_unique() if len(authors) else None,
        "author_known": known / len(evidence.held_out) if len(authors) else None,
        "each": each,
    }


def _masking(
    rows: pl.DataFrame, rewritten: Mapping[str, Logits], labels: Labels, by: Clusters, seed: int
) -> dict[str, Any] | None:
    """Scores on rewritings of the same rows; None where no label has concept words."""
    listed = shortcuts.concept_words(labels)
    if not rewritten or not listed:
        return None
    truth, said = ids(rows, labels), [_best(logits) for logits in rewritten.values()]
    drawn = bootstrap(truth, said, len(labels), by, seed)
    holding = [not listed.isdisjoint(baselines.tokens(text)) for text in rows["text"]]
    return {
        "tweets_with_concept_words": float(np.mean(holding)),
        **{
            name: overall(truth, predicted, counts, labels)
            for name, predicted, counts in zip(rewritten, said, drawn, strict=True)
        },
    }


def _folds_compared(
    everything: pl.DataFrame, evidence: Evidence, random_folds: Evidence | None, labels: Labels, seed: int
) -> dict[str, Any] | None:
    """Folds that let authors straddle beside folds that keep them apart, on the same rows; None without authors."""
    truth, found = ids(everything, labels), {}
    tfidf = baselines.random_and_author_folds(everything, truth, seed)
    if tfidf is not None:
        found[baselines.TFIDF] = _side_by_side(everything, truth, tfidf, labels, seed)
    if random_folds is not None:
        row_of = {tweet: row for row, tweet in enumerate(random_folds.held_out["tweet_id"])}
        order = [row_of[tweet] for tweet in evidence.held_out["tweet_id"]]
        said = {"random": _best(random_folds.logits)[order], "author": _best(evidence.logits)}
        found["model"] = _side_by_side(evidence.held_out, ids(evidence.held_out, labels), said, labels, seed)
    return found or None


def _side_by_side(rows: pl.DataFrame, truth: Ids, said: dict[str, Ids], labels: Labels, seed: int) -> dict[str, Any]:
    drawn = bootstrap(truth, [said["random"], said["author"]], len(labels), clusters(rows), seed)
    scored = {name: overall(truth, said[name], drawn[place], labels) for place, name in enumerate(("random", "author"))}
    return {**scored, "random_minus_author": difference(scored["random"], scored["author"], *drawn)}
