"""MODEL_CARD.md: what a model is, how it was judged and what speaks against trusting it, from its manifest alone.

Written for readers who neither program nor know statistics. A manifest of an older or other training lacks some parts;
their sections are then left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from camembias.bundle import Manifest
from train.reading import number


def model_card(name: str, manifest: Manifest) -> str:
    """Markdown."""
    found = manifest.metrics
    sections: dict[str, Iterator[str]] = {
        "In short": _short(found),
        "What it is": _identity(manifest),
        "Data": _data(manifest.data),
        "How it was judged": _splits(found),
        "Scores": _scores(found),
        "Shortcuts": _shortcuts(found),
        "How sure it is": _calibration(found),
        "When it abstains": _abstention(found),
        "Limits": _limits(found),
    }
    lines = [f"# {_inline(name)}", ""]
    for title, body in sections.items():
        # A model that was never judged is only described.
        written = list(body) if found or title in ("What it is", "Data") else []
        if written:
            lines += [f"## {title}", "", *written, ""]
    return "\n".join(lines).rstrip() + "\n"


def _short(found: dict[str, Any]) -> Iterator[str]:
    labels = ", ".join(map(_inline, found["labels"]))
    yield f"A program that reads a French tweet and answers with one of: {labels}."
    yield ""
    for sentence in found.get("summary", []):
        yield f"- {_inline(sentence)}"


def _identity(manifest: Manifest) -> Iterator[str]:
    served = f"; serving version `{manifest.serving_version}`" if manifest.serving_version else ""
    revision = f" (revision `{manifest.base_revision}`)" if manifest.base_revision else ""
    yield f"- Fine-tuned from `{manifest.base_model}`{revision}; model version `{manifest.model_version}`{served}."
    yield f"- It reads at most {manifest.max_length} tokens of a tweet."
    yield "- Its files are listed with checksums in `manifest.json`, its numbers in `metrics.json`."


def _data(data: dict[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if not (isinstance(value, list) and value and isinstance(value[0], dict)) and value not in (None, {}, []):
            yield f"- {_spoken(key)}: {_value(value)}"
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from ("", f"{_spoken(key)}:", "")
            yield from _table(list(value[0]), [[_value(cell) for cell in row.values()] for row in value])


def _splits(found: dict[str, Any]) -> Iterator[str]:
    splits, intervals = found.get("splits"), found.get("intervals", {})
    if splits and splits["folds"]:
        yield (
            f"In {splits['folds']} rounds, each time on tweets that the model of that round was not trained on; "
            f"the scores are those of all {splits['held_out']} tweets together. The model learned from 85 % of the "
            "other tweets and stopped by the rest; the baselines, which need no stopping, learned from all of them."
        )
    elif splits:
        yield (
            f"Once, on {splits['held_out']} tweets that were kept apart: {splits['fitted']} others trained the model, "
            f"{splits['calibration']} chose when to stop training, and how sure the model may sound."
        )
    else:
        yield f"On {found['tweets']} tweets."
    if splits and splits["authors"]:
        yield f"The tweets judged have {splits['authors']} authors."
    if intervals.get("none_because"):
        yield f"There are {intervals['none_because']}."
    elif intervals:
        yield (
            "The numbers in brackets are 95 % intervals: other tweets like these would mostly give a score within. "
            f"They are made by drawing {intervals['unit']}s again ({intervals['method']}). They do not cover another "
            "training of the model, or tweets of another time or place."
        )


def _scores(found: dict[str, Any]) -> Iterator[str]:
    yield "Macro-F1 is the mean over labels of a score that is 1 when a label is always found and never given wrongly."
    yield "Matthews correlation is 0 for guessing and 1 for no error."
    yield ""
    intervals = found.get("intervals", {})
    rows = [["**this model**", *_three(found, intervals)]]
    rows += [[name, *_three(row, row["intervals"])] for name, row in found.get("baselines", {}).items()]
    yield from _table(["", "macro-F1", "accuracy", "Matthews correlation"], rows)
    yield ""
    between = intervals.get("per_label", {})
    keys = ("precision", "recall", "f1")
    yield from _table(
        ["label", "tweets", "precision", "recall", "F1"],
        [
            [label, str(row["tweets"]), *(number(row[key], between.get(label, {}).get(key)) for key in keys)]
            for label, row in found["per_label"].items()
        ],
    )
    yield from ("", "Rows are what tweets are, columns what the model says, with the share of the row:", "")
    yield from _table(
        ["", *found["labels"]],
        [
            [label, *(f"{count} ({count / max(sum(counts), 1):.0%})" for count in counts)]
            for label, counts in zip(found["labels"], found["confusion_matrix"], strict=True)
        ],
    )
    yield from ("", "![Confusion matrix](confusion_matrix.png)")


def _three(row: dict[str, Any], between: dict[str, Any]) -> list[str]:
    return [number(row.get(key), between.get(key)) for key in ("macro_f1", "accuracy", "mcc")]


def _shortcuts(found: dict[str, Any]) -> Iterator[str]:
    shortcuts, masking, compared = (found.get(key) for key in ("shortcuts", "masking", "folds_compared"))
    if shortcuts:
        yield "How far one gets without reading the text. The model may have learned what is named here, not the topic."
        yield ""
        rows = [
            [
                name,
                *_three(row, row["intervals"]),
                "**yes**" if row["named"] else "",
            ]
            for name, row in shortcuts["alone"].items()
        ]
        yield from _table(
            [f"alone, on {shortcuts['tweets']} tweets", "macro-F1", "accuracy", "Matthews correlation", "shortcut"],
            rows,
        )
        yield ""
        yield (
            f"A shortcut is named when the lower end of its Matthews correlation is at least {shortcuts['margin']} "
            "(the correlation itself where it has no interval). Answering blindly has 0, however the labels are shared."
        )
    if compared:
        yield ""
        yield from _table(
            ["macro-F1", "folds at random", "authors kept apart", "difference"],
            [
                [
                    name,
                    *(number(row[key]["macro_f1"], row[key]["intervals"]["macro_f1"]) for key in ("random", "author")),
                    number(row["random_minus_author"]["macro_f1"], row["random_minus_author"]["interval"]),
                ]
                for name, row in compared.items()
            ],
        )
    if masking:
        yield ""
        names = {"concepts_masked": "concept words masked", "only_concepts": "only concept words"}
        rows = [["whole text", *_three(found, found.get("intervals", {}))]]
        rows += [[spoken, *_three(masking[key], masking[key]["intervals"])] for key, spoken in names.items()]
        yield from _table(["the model reads", "macro-F1", "accuracy", "Matthews correlation"], rows)
        yield ""
        yield "Concept words are what a label is about (camembias' shipped list for these labels)."


def _calibration(found: dict[str, Any]) -> Iterator[str]:
    calibration = found.get("calibration")
    if not calibration or calibration["after"]["ece"] is None:
        return
    before, after = calibration["before"], calibration["after"]
    yield (
        f"A well-calibrated model that says 0.8 is right eight times in ten. The mean gap between what it says and "
        f"how often it is right (ECE) is {before['ece']:.3f} as trained, and {after['ece']:.3f} after its logits "
        f"were divided by {calibration['temperature']:.2f}, fitted on {calibration['fitted_on']}. On so many tweets a "
        f"perfectly calibrated model would show {after['if_calibrated']:.3f}."
    )
    yield from ("", "![Reliability diagram](reliability.png)")


def _abstention(found: dict[str, Any]) -> Iterator[str]:
    abstention = found.get("abstention")
    if not abstention:
        return
    if abstention["why_none"]:
        yield f"Never: {abstention['why_none']}. Every tweet gets a label, also those about none of them."
        return
    held_out, models = abstention["held_out"], abstention.get("models", 1)
    shared = f", its doubt shared among {models} epochs, between which the same tweets chose" if models > 1 else ""
    yield (
        f"Below a probability of {abstention['abstain_below']:.3f}, chosen on {abstention['independent_tweets']} "
        f"tweets so that at least {abstention['target_precision']:.0%} of the answers it does give are right "
        f"({abstention['method']}{shared}). On tweets that did not choose the threshold it answered "
        f"{held_out['coverage']:.0%} and was right on {number(held_out['precision'], held_out['interval'])} of those."
    )


def _limits(found: dict[str, Any]) -> Iterator[str]:
    yield "- Measured on tweets collected and labelled like the training tweets. On others it may do worse."
    yield "- Most tweets of a stream are about none of the labels. Abstention was not tuned on those; see what"
    yield "  happens with `camembias evaluate MODEL TABLE --other-label LABEL`."
    if (found.get("splits") or {}).get("author_known"):
        yield "- Authors stand on both sides of the split. On tweets by new authors it may do worse."
    yield "- A label is a guess about a text, not a fact about its author. Do not use it to judge people."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(map(_cell, header)) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(map(_cell, row)) + " |"


def _inline(text: str) -> str:
    """Labels and file names are free text: none may break the page or smuggle markup into it."""
    return " ".join(text.split()).replace("<", "&lt;")


def _cell(text: str) -> str:
    return _inline(text).replace("|", "\\|")


def _spoken(key: str) -> str:
    return key.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return _inline(f"{value:.3g}" if isinstance(value, float) else str(value))
