"""What a sample could have shown: beside "nothing is confirmed" stands how small a bias would have been."""

from __future__ import annotations

import polars as pl

from camembias.report.wording import NONE, Wording


def power(rows: pl.DataFrame, say: Wording) -> list[str]:
    """Sentences of the answer of `detectable_effects`; none where no word stands in enough tweets to say anything."""
    if rows.is_empty():
        return []
    text, able = say.text, rows.filter(pl.col("first") >= 10)
    explained, frame = rows["explained"][0], rows["frame"][0]
    share = "" if not frame else f" ({say.percent(explained / frame)})"
    said = [text["power_explained"].format(tweets=say.count(explained), of=say.cell("frame", frame), share=share)]
    if able.is_empty():
        return [*said, text["power_nothing"], text["power_more"]]
    if not able["edited_words"].sum():
        return [*said, text["power_unedited"], text["power_more"]]
    bands = [
        text["power_band"].format(tweets=_band(row, say), reliance=_logits(row["detectable_reliance"], say),
                                  effect=_logits(row["detectable_effect"], say), words=say.count(row["words"]))
        for row in able.iter_rows(named=True)
    ]  # fmt: skip
    rarest = say.count(max(1, round(able["rarest"].min())))  # type: ignore[arg-type]
    said.append(text["power_smallest"].format(rarest=rarest, bands="; ".join(bands)))
    return [*said, text["power_more"]]


def _band(row: dict[str, int], say: Wording) -> str:
    last = row["last"]
    return f"{row['first']}\u2013{last}" if last else say.text["power_from"].format(first=row["first"])


def _logits(value: float | None, say: Wording) -> str:
    return NONE if value is None else say.number(value)
