"""What the numbers of an evaluation say, in sentences that need no statistics to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def summary(found: dict[str, Any]) -> list[str]:
    """The most important sentence first."""
    return [
        *_winner(found),
        *_shortcuts(found["shortcuts"]),
        *_authors(found),
        *_masking(found),
        *_abstention(found),
        *_elsewhere(found),
        *_doubts(found),
    ]


def number(value: float | None, interval: list[float] | None = None) -> str:
    """0.62 [0.50, 0.70]"""
    if value is None:
        return "–"
    return f"{value:.2f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")


def _winner(found: dict[str, Any]) -> Iterator[str]:
    rivals = found.get("baselines")
    if not rivals:
        return
    name, best = max(rivals.items(), key=lambda item: item[1]["macro_f1"])
    rival = f"{name} ({number(best['macro_f1'], best['intervals']['macro_f1'])})"
    model = f"the model ({number(found['macro_f1'], found['intervals']['macro_f1'])})"
    ahead, between = best["model_minus_this"]["macro_f1"], best["model_minus_this"]["interval"]
    first, second = (model, rival) if ahead > 0 else (rival, model)
    apart = f"{abs(ahead):.2f}"
    if between:
        low, high = between if ahead > 0 else (-between[1], -between[0])
        apart += f" [{low:.2f}, {high:.2f}]"
    if ahead == 0:
        verdict = "equals"
    elif between is None:
        verdict = "is ahead of"
        apart += ", without an interval"
    elif between[0] > 0 or between[1] < 0:
        verdict = "beats"
    else:
        verdict = "is ahead of"
        apart += ", which may be chance"
    yield f"In macro-F1 {first} {verdict} {second}; difference {apart}."


def _shortcuts(found: dict[str, Any]) -> Iterator[str]:
    alone = found["alone"]
    blind = alone["largest label"]
    largest = f"{number(blind['accuracy'])} and {number(blind['macro_f1'])}"
    for name in found["named"]:
        accuracy, f1 = (number(alone[name][key], alone[name]["intervals"][key]) for key in ("accuracy", "macro_f1"))
        yield (
            f"Shortcut: {name} alone, without the text, gives accuracy {accuracy} and macro-F1 {f1}; always answering "
            f"the largest label gives {largest}. A model can score well here by {_MEANING[name]}."
        )
    tried = [name for name in alone if name != "largest label"]
    if not found["named"] and tried:
        yield f"No shortcut found: none of {', '.join(tried)} alone says much about the label."
    if "author" not in alone:
        yield "Authors are not known, so nobody can say whether they give the label away; name their column."


_MEANING = {
    "author": "recognising who writes",
    "hashtags": "looking at the hashtags",
    "handles": "looking at the accounts that are mentioned or retweeted",
    "link domains": "looking at the sites that are linked",
    "emojis": "looking at the emojis",
    "length": "looking at how long a tweet is",
}


def _authors(found: dict[str, Any]) -> Iterator[str]:
    known = (found.get("splits") or {}).get("author_known")
    if known:
        yield f"{known:.0%} of the tweets judged are by authors of whom the model has seen other tweets in training."
    elif known == 0:
        yield "No tweet judged is by an author of whom the model has seen tweets in training."
    for name, row in (found.get("folds_compared") or {}).items():
        apart = row["random_minus_author"]
        yield (
            f"{name[:1].upper()}{name[1:]} reaches macro-F1 {number(row['random']['macro_f1'])} on folds dealt at "
            f"random and {number(row['author']['macro_f1'])} with authors kept apart: knowing the authors is worth "
            f"{number(apart['macro_f1'], apart['interval'])}."
        )


def _masking(found: dict[str, Any]) -> Iterator[str]:
    masking = found.get("masking")
    if masking:
        masked, only = (number(masking[name]["macro_f1"]) for name in ("concepts_masked", "only_concepts"))
        yield (
            f"Concept words stand in {masking['tweets_with_concept_words']:.0%} of the tweets. With them masked the "
            f"model reaches macro-F1 {masked}, with nothing but them {only}, with the whole text "
            f"{number(found['macro_f1'])}."
        )


def _abstention(found: dict[str, Any]) -> Iterator[str]:
    abstention = found["abstention"]
    if abstention["why_none"]:
        yield f"No threshold for abstention: {abstention['why_none']}."
        return
    held_out, target = abstention["held_out"], abstention["target_precision"]
    promise = f" (promised: {target:.2f})" if target else ""
    yield (
        f"Abstaining below {abstention['abstain_below']:.2f}, the model keeps {held_out['coverage']:.0%} of the tweets "
        f"and labels {number(held_out['precision'], held_out['interval'])} of those right{promise}."
    )


def _elsewhere(found: dict[str, Any]) -> Iterator[str]:
    elsewhere = found.get("elsewhere")
    if elsewhere:
        name, most = max(elsewhere["labels"].items(), key=lambda item: item[1]["said"])
        silent = elsewhere["abstained"]
        done = "cannot abstain" if silent is None else f"abstains on {silent:.0%}"
        yield (
            f"Of {elsewhere['tweets']} tweets labelled '{elsewhere['label']}', about none of its labels, the model "
            f"{done}; its most frequent answer is '{name}' ({most['said']:.0%})."
        )


def _doubts(found: dict[str, Any]) -> Iterator[str]:
    why = found["intervals"]["none_because"]
    if why:
        yield f"{why[0].upper()}{why[1:]}."
    for name, row in found["per_label"].items():
        if not row["tweets"]:
            yield f"No tweet judged is labelled '{name}': its F1 counts as 0 in macro-F1."
    splits = found.get("splits") or {}
    if splits.get("folds"):
        for place, fold in enumerate(splits["each"], start=1):
            for name in fold["missing_labels"]:
                yield f"Fold {place} has no tweet labelled '{name}'."
