"""The section of the model card on what serving changes. The rest of the card is written where the model is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from camembias.bundle import Manifest
from camembias.files import write_text

# the last one by bounds that were measured on the other half of the texts
_ROWS = {"fp32": "fp32", "int8": "int8", "held_out": "int8, scored again in fp32 near a decision"}
_BEGIN, _END = "<!-- serving: written by export -->", "<!-- end of serving -->"


def write_section(path: Path, manifest: Manifest) -> None:
    """Put the section at the end of the card at `path`, in place of an earlier one."""
    card = path.read_text(encoding="utf-8") if path.exists() else ""
    before, _, rest = card.partition(_BEGIN)
    after = rest.partition(_END)[2]
    parts = [before.rstrip(), f"{_BEGIN}\n{section(manifest)}\n{_END}", after.strip()]
    write_text(path, "\n\n".join(filter(None, parts)) + "\n")


def section(manifest: Manifest) -> str:
    found: dict[str, Any] = manifest.parity or {}
    lines = [
        "## Serving",
        "",
        f"{found['sentence']} Logits against PyTorch in fp32, on {found['fp32']['texts']} texts ({found['given']} "
        f"given, the rest invented), and on {found['stress']['fp32']['texts']} odd ones (stress); CPU: {found['cpu']}.",
        "",
        "| graph | texts | max Δlogit | p99 Δlogit | same label | loss of macro-F1 |",
        "|---|---|---|---|---|---|",
    ]
    for texts, results in (("parity", found), ("stress", found["stress"])):
        for graph, name in _ROWS.items():
            if (row := results.get(graph)) is None or "texts" not in row:
                continue  # no int8 graph could be made
            lines.append(
                f"| {name} | {texts} | {row['max_abs_logit']:.2g} | {row['p99_abs_logit']:.2g} "
                f"| {row['agreement']:.2%} | {row['macro_f1_drop']:.4f} |"
            )
    if by_label := found["int8"].get("agreement_per_label"):
        shares = (f"{name} {'–' if share is None else f'{share:.2%}'}" for name, share in by_label.items())
        lines += ["", f"Same label in int8, for each label of PyTorch: {', '.join(shares)}."]
    if found["int8"]["served"]:
        near = f", or whose probability is within {manifest.rescore_p} of the abstention threshold"
        lines.append(
            f"Scored again in fp32: texts whose two best logits are closer than {manifest.rescore_margin}"
            f"{near if manifest.rescore_p is not None else ''}; {found['rescored_share']:.1%} of the parity texts. "
            f"Labels and abstentions that then differ from fp32: {found['stored_differ']}; "
            f"of texts that the bounds were not measured on: {found['held_out_differ']}."
        )
    return "\n".join(lines)
