"""Which tweets a word is edited in: by chance, one a text, and spread over authors.

An effect's error is by author where enough wrote the tweets, so a tweet of a new author says more than another of the
same. It knows the stored tweets. It does not know what is done to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from camembias.sampling import longest, permanent_random_number, seed_of
from camembias.store import Store
from camembias.text import KIND_NAMES, with_kinds, words

MOST_OF_AN_AUTHOR = 3  # tweets, where the error is by author
_ENOUGH = 20_000  # tweets of a kind (`<number>`) among which its tweets are sought: most tweets hold a number
# What a tweet with a word of the kind has, whatever else it has.
_SIGNS = {
    "<handle>": "[@＠]",
    "<hashtag>": "[#＃]",
    "<link>": r"(?i)://|www\.|twitter\.com|\.(?:fr|com|org|net|eu)",
    "<number>": r"\p{N}",
    "<emoji>": r"[\p{Extended_Pictographic}\x{20E3}\x{1F1E6}-\x{1F1FF}\x{1F3FB}-\x{1F3FF}]",
}
FEWEST_AUTHORS = 10  # with which it is (sql/views/50_edits.sql)


@dataclass(frozen=True, slots=True)
class Holder:
    number: float  # permanent random number
    text: str
    author: str | None


def holders(
    store: Store, targets: Collection[str], count: int, outside: Collection[str] = ()
) -> dict[str, list[tuple[str, str]]]:
    """(tweet_id, text) of up to `count` stored tweets that hold each word, by chance and spread over authors.

    Of a kind (`<hashtag>`), tweets with any word of it that is not `outside`.

    Of tweets with one text only the first is taken: forty retweets say what one says. Every author's first tweet comes
    before any author's second, each time smallest permanent random number first, and where ten or more wrote some, a
    fourth of one author is left out: an effect's error is by author, and 200 tweets of which one person wrote half
    say little of others.
    """
    seed = seed_of(store)
    best: dict[str, dict[str, Holder]] = {word: {} for word in targets}
    for tweet_id, text, author, inside in tweets_with(store, targets, outside):
        holder = Holder(permanent_random_number(seed, tweet_id), text, author)
        for word in inside:
            mine = best[word]
            mine[tweet_id] = holder
            if len(mine) > 4 * count:
                best[word] = first(mine, 2 * count)
    return {word: [(key, one.text) for key, one in first(mine, count).items()] for word, mine in best.items()}


def tweets_with(
    store: Store, targets: Collection[str], outside: Collection[str] = ()
) -> Iterator[tuple[str, str, str | None, set[str]]]:
    """tweet_id, text, author, and the words of `targets` in it, of each stored tweet that holds one.

    Of several texts that a tweet came with only that of the view `tweets` counts, and which one that is shows only once
    all parts were seen. So they are read twice, and in between no text is kept: only which tweets may hold a word, and
    their rows. Only texts of these are cut into words. Parts may repeat a row.
    """
    wanted = set(targets)
    length = pl.col("text").str.len_chars()
    row = ["tweet_id", "length", "seen_at", "source"]
    plain, kinds = sorted(wanted - set(KIND_NAMES)), sorted(wanted & set(KIND_NAMES))
    likely = store.scan("tweets").filter(pl.col("text").str.to_lowercase().str.contains_any(plain)).select("tweet_id")
    some = [likely, *(_some(store, _SIGNS[name]) for name in kinds)]
    rows = store.scan("tweets").join(pl.concat(some), on="tweet_id", how="semi").with_columns(length=length)
    shown = longest(rows.select(row)).collect()
    for name in store.part_names("tweets"):
        part = store.read("tweets", name, ["tweet_id", "text", "author", "seen_at", "source"])
        found = part.with_columns(length=length).join(shown, on=row, how="semi", nulls_equal=True)
        for tweet_id, text, author in found.select("tweet_id", "text", "author").iter_rows():
            names = {span.word for span in words(text)}
            if inside := wanted & (with_kinds(names, outside) if kinds else names):
                yield tweet_id, text, author, inside


def _some(store: Store, sign: str) -> pl.LazyFrame:
    """Ids of tweets with the sign; of many, those with the smallest permanent random numbers."""
    found = store.scan("tweets").filter(pl.col("text").str.contains(sign)).select("tweet_id").unique().collect()
    if found.height > _ENOUGH:
        seed = seed_of(store)
        number = found["tweet_id"].map_elements(lambda one: permanent_random_number(seed, one), pl.Float64)
        found = found.with_columns(number=number).bottom_k(_ENOUGH, by="number").select("tweet_id")
    return found.lazy()


def first(found: Mapping[str, Holder], count: int) -> dict[str, Holder]:
    """The first `count` of different texts: each author's first, then each one's second, and so on."""
    texts: dict[str, str] = {}
    for tweet_id in sorted(found, key=lambda key: (found[key].number, key)):
        texts.setdefault(found[tweet_id].text, tweet_id)
    turns: Counter[str] = Counter()
    order: list[tuple[int, int, str]] = []  # turn of the author, place by random number
    for tweet_id in texts.values():
        author = found[tweet_id].author or f"tweet {tweet_id}"
        order.append((turns[author], len(order), tweet_id))
        turns[author] += 1
    by_author = len({found[tweet_id].author for _, _, tweet_id in order} - {None}) >= FEWEST_AUTHORS
    kept = [tweet_id for turn, _, tweet_id in sorted(order) if not by_author or turn < MOST_OF_AN_AUTHOR]
    return {tweet_id: found[tweet_id] for tweet_id in kept[:count]}
