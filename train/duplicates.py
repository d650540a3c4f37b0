"""Which tweets say the same: retweets and near-duplicates, which must never straddle a split.

Tweets are compared by their words in lower case, without `RT @x:`, links, emoji and punctuation. Two share a group
when these are equal, when their words and pairs of words have a Jaccard similarity of at least 0.75, or when one is
the other cut short by an ellipsis, as old retweets are. Groups are the connected components, so two tweets of a
group may be less alike than that. Candidates come from MinHash with locality-sensitive hashing (Broder 1997; Leskovec,
Rajaraman and Ullman, Mining of Massive Datasets, ch. 3); each is checked exactly.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise

from datasketch import MinHash
from scipy.cluster.hierarchy import DisjointSet

from camembias.text import kind, words

SIMILAR = 0.75  # Jaccard
_BANDS, _ROWS = 16, 4  # a pair of similarity 0.75 becomes a candidate with probability 1 - (1 - 0.75^4)^16 = 0.998
_FEWEST_WORDS = 5  # of a text cut short: fewer could be the start of anything
_CUT = re.compile(r"(?:…|\.\.\.)(?:\s*https?://\S+)*\s*$")  # the old API linked the whole tweet behind the ellipsis
_RETWEET = re.compile(r"^(?:rt\s+@\w+\s*:?\s*)+", re.IGNORECASE)
_ASIDE = {"link", "emoji", "punctuation"}


def unretweeted(text: str) -> str:
    """`text` without a leading `RT @x:`."""
    return _RETWEET.sub("", text)


def groups(texts: Sequence[str]) -> list[int]:
    """The number of each text's group, from 0. It depends on the texts alone, not on their order."""
    keys = [_key(text) for text in texts]
    distinct = sorted(set(keys))
    joined = DisjointSet(range(len(distinct)))
    for one, other in _truncated(distinct, [bool(_CUT.search(text)) for text in texts], keys):
        joined.merge(one, other)
    _join_similar(distinct, joined)
    numbers: dict[int, int] = {}
    of_key = {key: numbers.setdefault(joined[row], len(numbers)) for row, key in enumerate(distinct)}
    return [of_key[key] for key in keys]


def _key(text: str) -> tuple[str, ...]:
    found = words(unretweeted(text))
    return tuple(word.word for word in found if kind(word.word) not in _ASIDE) or tuple(word.word for word in found)


def _truncated(
    distinct: list[tuple[str, ...]], cut: Sequence[bool], keys: Sequence[tuple[str, ...]]
) -> Iterator[tuple[int, int]]:
    """Pairs of a text cut short and one that goes on: neighbours in sorted order. The last word may be cut too."""
    for key in sorted({key for key, short in zip(keys, cut, strict=True) if short and len(key) > _FEWEST_WORDS}):
        start = key[:-1]
        row, here = bisect_left(distinct, start), bisect_left(distinct, key)
        while row < len(distinct) and distinct[row][: len(start)] == start:
            yield here, row
            row += 1


def _join_similar(distinct: list[tuple[str, ...]], joined: DisjointSet) -> None:
    """Merge the rows that are similar, of those whose sketches agree in some band.

    A bucket of a band keeps together what is joined already: one row of a campaign of nearly equal tweets is looked at
    for all of them, where looking at each would take the square of their number.
    """
    hashes = MinHash.generator(([part.encode() for part in _parts(key)] for key in distinct), num_perm=_BANDS * _ROWS)
    buckets: dict[tuple[int, bytes], list[list[int]]] = {}
    for row, sketch in enumerate(hashes):
        different: set[int] = set()
        for band, values in enumerate(sketch.hashvalues.reshape(_BANDS, _ROWS)):
            mine, others = [row], []
            for rows in buckets.get((band, values.tobytes()), ()):
                if joined.connected(row, rows[0]) or _like_one_of(row, rows, distinct, different):
                    joined.merge(row, rows[0])
                    rows += mine
                    mine = rows
                else:
                    others.append(rows)
            buckets[band, values.tobytes()] = [*others, mine]


def _like_one_of(row: int, rows: list[int], distinct: list[tuple[str, ...]], different: set[int]) -> bool:
    """Whether `row` is similar to one of `rows`; those found not to be join `different`, and are not asked again."""
    for other in rows:
        if other not in different:
            if _similar(distinct[row], distinct[other]):
                return True
            different.add(other)
    return False


def _similar(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    first, second = _parts(one), _parts(other)
    return len(first & second) >= SIMILAR * len(first | second)


def _parts(key: tuple[str, ...]) -> set[str]:
    return {*key, *(f"{left} {right}" for left, right in pairwise(key))}
