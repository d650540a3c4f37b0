"""What commands say of explanations that do not add up: of how much there was to explain, not only how many."""

from __future__ import annotations

import polars as pl

from camembias.store import Store

_DECIDING = ("0.5 to 2 logits", "2 logits or more")  # changes of the query `explanation_errors`


def completeness(store: Store) -> list[str]:
    """Sentences on the explanations of the model explained last; none where there are none.

    The tweets in which a model decides are those whose logits change most: those that miss there would bias an audit
    that left them out.
    """
    from camembias import catalog, sqlfiles

    rows = catalog.run_query(store, sqlfiles.query("explanation_errors"))
    if rows.is_empty():
        return []
    deciding = rows.filter(pl.col("change").is_in(_DECIDING))
    said = []
    for what, some in (
        ("the explanations", rows),
        ("those whose logit changes by 0.5 or more", deciding),
        *((f"  for '{label}'", some) for (label,), some in deciding.partition_by("target", as_dict=True).items()),
    ):
        missed, of = int(some["unconverged"].sum()), int(some["explanations"].sum())
        if missed and of:
            said.append(f"{what}: {missed:,} of {of:,} ({100 * missed / of:.1f} %) do not add up to 5 %")
    numberless = int(rows["no_numbers"].sum())
    if numberless:
        said.append(
            f"{numberless:,} have logits that are no numbers, and are left out: check the model (camembias evaluate)"
        )
    if said:
        said.append("what does not add up counts all the same, and intervals are wider by what it misses")
    return said
