"""A chunk of rows made ready to be scored: normalised, named by its text, tokenised. No model is run here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from batch.classifier import Classifier
from batch.known import Entry, KnownTweets, ScoreCache
from batch.readers import READER_VERSION, Chunk
from batch.rows import Tweet
from batch.sources import Source
from camembias import tombstones
from camembias.text import NORMALISER_VERSION, normalise, text_hash


@dataclass(slots=True)
class Window:
    """One unit of work. `tweets`, `texts` and `hashes` run in parallel; every text has either its scores or tokens."""

    unit: str
    source: Source
    source_id: str
    chunk: Chunk
    tweets: list[Tweet]
    texts: list[str]  # normalised
    hashes: list[str]
    known: int  # rows left out, because the store or a row before them holds the tweet with this text
    forgotten: int  # rows left out, because the store has a tombstone of the tweet
    scores: dict[str, Entry]  # by text hash: found in the cache
    tokens: dict[str, list[int]]  # by text hash: to be scored


def unit_name(source_id: str, first_row: int, serving_version: str) -> str:
    """The same work has the same name, so that doing it twice replaces its parts (decision 0002)."""
    body = f"{source_id}\0{first_row}\0{READER_VERSION}\0{NORMALISER_VERSION}\0{serving_version}"
    return hashlib.sha256(body.encode()).hexdigest()[:20]


def prepare(
    classifier: Classifier,
    known: KnownTweets,
    cache: ScoreCache,
    source: Source,
    source_id: str,
    chunk: Chunk,
    unit: str,
) -> Window:
    gone = tombstones.forgotten(known.store, [tweet.tweet_id for tweet in chunk.tweets])
    forgotten = sum(tweet.tweet_id in gone for tweet in chunk.tweets)
    chunk.tweets = [tweet for tweet in chunk.tweets if tweet.tweet_id not in gone]
    tweets, texts, again = usable(chunk)
    hashes = [text_hash(text) for text in texts]
    new = (~known.holds([tweet.tweet_id for tweet in tweets], hashes)).nonzero()[0].tolist()
    left_out = again + len(tweets) - len(new)
    tweets, texts, hashes = [tweets[i] for i in new], [texts[i] for i in new], [hashes[i] for i in new]
    # What the window before this one is about to cache is tokenised in vain: that is cheap.
    scores = cache.found(dict.fromkeys(hashes))
    distinct = {name: text for name, text in zip(hashes, texts, strict=True) if name not in scores}
    tokens = dict(zip(distinct, classifier.encode(list(distinct.values())), strict=True))
    return Window(unit, source, source_id, chunk, tweets, texts, hashes, left_out, forgotten, scores, tokens)


def usable(chunk: Chunk) -> tuple[list[Tweet], list[str], int]:
    """Tweets with their normalised texts, and how many rows say again, id and text, what a row before them said.

    A text that is empty once normalised is a reject, and so is another text under an id of the chunk. Those keep their
    id too, so that they can be found when the tweet is to be forgotten.
    """
    tweets, said, again = [], dict[str, str](), 0
    for tweet in chunk.tweets:
        text = normalise(tweet.text)
        if not text:
            chunk.refuse(tweet.line, "empty after normalising", f"{tweet.tweet_id} {tweet.text}")
        elif tweet.tweet_id not in said:
            said[tweet.tweet_id] = text
            tweets.append(tweet)
        elif said[tweet.tweet_id] == text:
            again += 1
        else:
            chunk.refuse(tweet.line, "id seen already with another text", f"{tweet.tweet_id} {tweet.text}")
    return tweets, list(said.values()), again
