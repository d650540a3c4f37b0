"""A store in a notebook or a script: `from camembias import open_store`. Reads only; answers are polars frames."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from camembias import catalog, sqlfiles, store
from camembias.errors import InputError, MissingExtra
from camembias.shading import Shading, shade
from camembias.text import printable


@dataclass(frozen=True, slots=True)
class Explanation:
    """What pushes one tweet towards a label: words shaded in a notebook, signed numbers beside them elsewhere."""

    shading: Shading

    @property
    def words(self) -> pl.DataFrame:
        """word (as it stands in the tweet), score (logits of the label, signed); strongest first."""
        found = [(piece.text, piece.score) for piece in self.shading.words()]
        return pl.DataFrame(found, schema={"word": pl.String, "score": pl.Float64}, orient="row")

    def __repr__(self) -> str:
        one = self.shading
        marked = (p.text if one.colour(p) is None else f"{p.text}({p.score:+.2f})" for p in one.pieces)
        odds = ", ".join(f"{label} {100 * p:.1f} %" for label, p in one.probabilities.items())
        head = f"{one.tweet_id}: what pushes towards {one.target} (+), and away from it (-)"
        foot = "" if one.converged else "\nthe scores do not add up to the logit: do not rely on them"
        lines = (head, "".join(marked), odds)
        return "\n".join(printable(line) for line in lines if line) + foot

    def _repr_html_(self) -> str:
        try:
            from camembias.templating import environment
        except ModuleNotFoundError as err:
            raise MissingExtra("jinja2", "report") from err
        template = environment().from_string('{% from "explanation.html" import explanation %}{{ explanation(one) }}')
        return template.render(one=self.shading)


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store to ask. New parts are seen at once, statistics after `camembias refresh`."""

    store: store.Store

    def __repr__(self) -> str:
        return f"OpenStore('{self.store.root}')"

    def sql(self, statement: str) -> pl.DataFrame:
        """The answer of one SELECT or EXPLAIN. Raises QueryError for anything else, or SQL that is wrong."""
        return catalog.run_sql(self.store, statement)

    def queries(self) -> pl.DataFrame:
        """query, question: the named queries and what they answer."""
        found = [(query.name, query.question) for query in sqlfiles.queries().values()]
        return pl.DataFrame(found, schema=["query", "question"], orient="row")

    def query(self, name: str, **params: object) -> pl.DataFrame:
        """The answer of a named query; None is NULL. Raises QueryError for an unknown name or parameter."""
        values = {key: None if value is None else str(value) for key, value in params.items()}
        return catalog.run_query(self.store, sqlfiles.query(name), values)

    def explanation(self, tweet_id: str, target: str | None = None) -> Explanation:
        """Of a tweet, towards `target`, or its likeliest label. Raises InputError when there is none."""
        rows = self.query("tweet_explanation", tweet_id=tweet_id).to_dicts()
        if not rows:
            remedy = f"camembias explain --tweet {tweet_id}"
            raise InputError(f"tweet '{tweet_id}' is not explained in '{self.store.root}'; explain it with: {remedy}")
        known = [row["target"] for row in rows]
        if target is not None and target not in known:
            raise InputError(f"tweet '{tweet_id}' is not explained for '{target}'; there are: {', '.join(known)}")
        labels = rows[0]["labels"] or [""]  # of a model that the store does not know there are no odds
        return Explanation(shade(rows, rows[0]["text"], labels, rows[0]["temperature"], target))
