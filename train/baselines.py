"""What a model has to beat on the same splits: the largest label, the author alone, TF-IDF with logistic regression.

Also TF-IDF with authors dealt out at random against authors kept apart: the difference is what knowing the authors is
worth, and it needs no GPU to see.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from camembias.text import words
from train.confusion import Ids
from train.evidence import Evidence
from train.splits import folds

MAJORITY, AUTHOR, TFIDF = "largest label", "author alone", "TF-IDF + logistic regression"
FOLDS, MANY_GROUPS = 5, 500


def predictions(evidence: Evidence, truth: Ids, fitted_truth: Ids, seed: int) -> dict[str, Ids]:
    """Baseline → predicted ids of the held-out rows, each fitted on the rows that the model was fitted on.

    With folds also on those that stopped its training, 15 % of the rest of a fold: the model pays for stopping early.
    """
    fitted, held_out = evidence.fitted, evidence.held_out
    table = TermCounts([*fitted["text"], *held_out["text"]])
    authors = [*fitted["author"], *held_out["author"]]
    labels = np.concatenate([fitted_truth, truth])
    found = {name: np.zeros(len(held_out), dtype=np.int64) for name in (MAJORITY, AUTHOR, TFIDF)}
    for fit, score in sides(evidence):
        at = score + len(fitted)  # in the two tables one after the other
        found[MAJORITY][score] = largest(labels[fit])
        found[AUTHOR][score] = by_author([authors[row] for row in fit], labels[fit], [authors[row] for row in at])
        found[TFIDF][score] = table.fit_predict(fit, labels[fit], at, seed)
    if not any(authors):
        del found[AUTHOR]
    return found


def sides(evidence: Evidence) -> Iterator[tuple[Ids, Ids]]:
    """Row numbers to fit on (of `fitted`) and to score (of `held_out`): one pair, or one a fold."""
    if evidence.fold is None:
        yield np.arange(len(evidence.fitted)), np.arange(len(evidence.held_out))
        return
    # With folds both tables hold the same tweets, but nothing says in the same order.
    fold_of = dict(zip(evidence.held_out["tweet_id"], evidence.fold, strict=True))
    fitted = np.array([fold_of.get(tweet) for tweet in evidence.fitted["tweet_id"]])
    held_out = evidence.fold.to_numpy()
    groups = evidence.fitted["duplicate_group"].to_numpy()
    for fold in np.unique(held_out):
        yield _apart(groups, fitted == fold), np.flatnonzero(held_out == fold)


def _apart(groups: npt.NDArray[np.int64], judged: npt.NDArray[np.bool_]) -> Ids:
    """Row numbers of all that is not judged, nor says the same as what is: the model is fitted on no others either."""
    return np.flatnonzero(~np.isin(groups, groups[judged]))


def largest(labels: Ids) -> int:
    """The most frequent id; the smallest of several."""
    return int(np.bincount(labels).argmax())


def by_author(authors: Sequence[str | None], labels: Ids, asked: Sequence[str | None]) -> list[int]:
    """The most frequent label of each asked author; the most frequent of all for an author never seen.

    Among an author's equally frequent labels, the one more frequent overall.
    """
    overall = Counter(labels.tolist())
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for author, label in zip(authors, labels.tolist(), strict=True):
        if author is not None:
            counts[author][label] += 1
    best = {name: max(count, key=lambda at: (count[at], overall[at], -at)) for name, count in counts.items()}
    fallback = largest(labels)
    return [fallback if author is None else best.get(author, fallback) for author in asked]


class TermCounts:
    """Texts counted once into word 1-2-grams and character 3-5-grams; each split takes its own weights from them.

    A split uses the terms that two of its own training texts hold, and their document frequencies alone: the same as
    counting those texts afresh, at a fraction of the cost.
    """

    def __init__(self, texts: list[str]) -> None:
        kinds = (
            CountVectorizer(analyzer="word", tokenizer=tokens, token_pattern=None, lowercase=False, ngram_range=(1, 2)),
            CountVectorizer(analyzer="char_wb", ngram_range=(3, 5)),
        )
        tables = [csr_matrix(kind.fit_transform(texts)) for kind in kinds]
        # Terms of one text alone pass no split's bar of two: dropping them now keeps the tables small.
        self.tables = [table[:, _texts_with(table) >= 2] for table in tables]

    def fit_predict(self, fit: Ids, labels: Ids, asked: Ids, seed: int) -> Ids:
        """Train on the rows `fit` with `labels`, answer for the rows `asked`."""
        if len(np.unique(labels)) < 2 or not len(asked):
            return np.full(len(asked), largest(labels), dtype=np.int64)
        parts = []
        for table in self.tables:
            own = table[:, _texts_with(table[fit]) >= 2]
            weights = TfidfTransformer(sublinear_tf=True).fit(own[fit])
            parts.append((weights.transform(own[fit]), weights.transform(own[asked])))
        # sag: 20 times faster here than the default solver, to the same F1
        model = LogisticRegression(
            C=10.0, class_weight="balanced", solver="sag", tol=1e-2, max_iter=200, random_state=seed
        )
        model.fit(hstack([own for own, _ in parts]).tocsr(), labels)
        return np.asarray(model.predict(hstack([other for _, other in parts]).tocsr()), dtype=np.int64)


def random_and_author_folds(rows: pl.DataFrame, truth: Ids, seed: int) -> dict[str, Ids] | None:
    """TF-IDF's out-of-fold ids of `rows` on folds dealt at random, and on folds that keep authors apart.

    None where authors are unknown or too few to be dealt out, or where a fold leaves nothing to learn from.
    """
    count = min(FOLDS, rows["author"].n_unique(), rows["duplicate_group"].n_unique())
    if rows["author"].null_count() == len(rows) or count < 2:
        return None
    table, found = TermCounts(rows["text"].to_list()), {}
    groups = rows["duplicate_group"].to_numpy()
    for name, by_author in (("random", False), ("author", True)):
        fold = folds(rows, count, seed, by_author)["fold"].to_numpy()
        found[name] = np.zeros(len(rows), dtype=np.int64)
        for number in np.unique(fold):
            judged = fold == number
            fit, score = _apart(groups, judged), np.flatnonzero(judged)
            if not len(fit):
                return None
            found[name][score] = table.fit_predict(fit, truth[fit], score, seed)
    return found


def folds_of(truth: Ids, groups: npt.NDArray[Any], seed: int) -> Ids | None:
    """Fold of each row: at most 5 folds, stratified by label, groups whole. None where there are not two to be made."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    folds = min(FOLDS, len(first), int(np.bincount(truth).max()))
    if folds < 2:
        return None
    fold = np.zeros(len(truth), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a label with fewer groups than folds is missing from some
        if len(first) <= MANY_GROUPS:
            dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(truth, truth, group)
            for number, (_, rows) in enumerate(dealt):
                fold[rows] = number
            return fold
        # Many groups are small: dealt by the label of one row they come out as even, in a hundredth of the time.
        of_group = np.zeros(len(first), dtype=np.int64)
        for number, (_, rows) in enumerate(
            StratifiedKFold(folds, shuffle=True, random_state=seed).split(first, truth[first])
        ):
            of_group[rows] = number
    return np.asarray(of_group[group])


def tokens(text: str) -> list[str]:
    return [word.word for word in words(text)]


def _texts_with(table: Any) -> npt.NDArray[np.int64]:
    return np.asarray(np.bincount(table.indices, minlength=table.shape[1]))
