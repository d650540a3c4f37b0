"""Do explanations tell what the model does? Two erasure measures, and what is left of them in a randomised model.

Comprehensiveness and sufficiency (DeYoung et al. 2020, ERASER): the probability of the predicted label less what
remains of it without the top words, or with the top words only; averaged over the top 1, 5, 10, 20 and 50 % of words
(AOPC). A removed word is `<mask>`. The same with words in random order says what any order would give.
Parameter randomisation (Adebayo et al. 2018): Spearman's correlation, over words, of the scores before and after the
weights are shuffled, from the head downwards. Scores that stay alike would not depend on what the model learned.
It knows stored explanations and the model. It does not know how explanations were asked for.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from camembias.errors import InputError
from camembias.schemas import TABLES
from camembias.store import Store, now
from camembias.text import Word
from explain_worker.attribution import BASELINE, METHOD, explain
from explain_worker.job import Model
from explain_worker.path import Passes, Path, Row
from explain_worker.precision import spearman
from explain_worker.words import token_words, word_scores

TOP = (0.01, 0.05, 0.10, 0.20, 0.50)  # shares of words; at least one word
RANDOM_ORDERS = 5  # a tweet, averaged
RANDOMISED_TWEETS = 30  # at most: each costs three explanations
RESAMPLES = 2000  # of tweets, for the intervals
Values = npt.NDArray[np.float64]
_TEXT = ["tweet_id", "text_hash"]  # a tweet may have been seen with several texts
_LAYER = re.compile(r"\blayers?\.(\d+)\.")  # BERT's and ModernBERT's names


@dataclass(frozen=True, slots=True)
class Explained:
    """A stored explanation of a tweet's own label, with its words and their scores in order."""

    text: str
    label: str
    words: list[Word]
    scores: list[float]


def explained_tweets(store: Store, model: Model, count: int, seed: int) -> list[Explained]:
    """A random sample of tweets whose predicted label this model has explained with the default baseline.

    Each with the text that was explained, latest, if the store has it: free texts are left out.

    Raises InputError when there are none.
    """
    columns = ("model_version", "method", "baseline")
    mine = pl.all_horizontal(pl.col(c) == v for c, v in zip(columns, (model.version, METHOD, BASELINE), strict=True))
    rows = store.scan("explanations").filter(mine, pl.col("target") == pl.col("label"), pl.col("words").list.len() > 1)
    # Names first: a store holds millions of texts, and words many times their size.
    names = rows.select(*_TEXT, "computed_at").sort("computed_at").unique("tweet_id", keep="last").sort("tweet_id")
    shuffled = names.collect().sample(fraction=1, shuffle=True, seed=seed)
    there = store.scan("tweets").select(_TEXT).join(shuffled.lazy(), on=_TEXT, how="semi").collect(engine="streaming")
    drawn = shuffled.join(there, on=_TEXT, how="semi", maintain_order="left").head(count)
    texts = store.scan("tweets").select(*_TEXT, "text").join(drawn.lazy(), on=_TEXT, how="semi").unique(_TEXT)
    words = (
        rows.join(drawn.lazy(), on=[*_TEXT, "computed_at"], how="semi").unique(_TEXT).select(*_TEXT, "label", "words")
    )
    found = texts.join(words, on=_TEXT).collect(engine="streaming")
    ordered = drawn.join(found, on=_TEXT, maintain_order="left").select("text", "label", "words")
    same = [Explained(text, label, *_split(words)) for text, label, words in ordered.iter_rows()]
    if not same:
        raise InputError(
            f"'{store.root}' has no explanation by model {model.version} of a tweet's own label; "
            f"make some: camembias explain --sample {count} --wait"
        )
    return same


def _split(words: Sequence[Mapping[str, Any]]) -> tuple[list[Word], list[float]]:
    return [Word(w["word"], w["surface"], w["start"], w["stop"]) for w in words], [w["score"] for w in words]


def quality(
    model: Model, tweets: Sequence[Explained], seed: int, advance: Callable[[float], None] = lambda _: None
) -> pl.DataFrame:
    """Rows of the table `quality`: a measure and what it was taken on, its mean over tweets and a 95 % interval."""
    dice = np.random.default_rng(seed)
    found: dict[tuple[str, str], list[float]] = {}
    for tweet in tweets:
        for key, value in _erasure(model, tweet, dice).items():
            found.setdefault(key, []).append(value)
        advance(1)
    for stage, network in randomised(model.network, seed):
        few = tweets[:RANDOMISED_TWEETS]
        found["randomised_parameters", stage] = _correlations(model, network, few)
        advance(len(few))
    same = {"model_version": model.version, "method": METHOD, "baseline": BASELINE, "computed_at": now()}
    rows = []
    for (measure, variant), values in found.items():
        mean, low, high = interval(np.array(values), dice)
        numbers = {"tweets": len(values), "mean": mean, "low": low, "high": high}
        rows.append({**same, "measure": measure, "variant": variant, **numbers})
    return pl.DataFrame(rows, schema=TABLES["quality"])


def _erasure(model: Model, tweet: Explained, dice: np.random.Generator) -> dict[tuple[str, str], float]:
    """Comprehensiveness and sufficiency of one tweet: by its scores, in random order, and their difference."""
    encoding = model.tokenizer.encode(tweet.text)
    owners = token_words(tweet.text, tweet.words, encoding.offsets, encoding.special_tokens_mask)
    by_score = sorted(range(len(tweet.words)), key=lambda word: -tweet.scores[word])
    orders = [by_score, *(dice.permutation(len(tweet.words)).tolist() for _ in range(RANDOM_ORDERS))]
    rows = [tuple(encoding.ids)]
    for order in orders:
        for share in TOP:
            top = set(order[: max(1, math.ceil(share * len(order)))])
            for removed in (top, set(order) - top):
                mask = model.special["mask"]
                rows.append(tuple(mask if at in removed else x for x, at in zip(encoding.ids, owners, strict=True)))
    path = Path(model.network, model.special, [], BASELINE)
    logits = torch.tensor(path.logits(Passes(model.network), rows))
    p = logits.softmax(dim=1)[:, model.labels.id(tweet.label)].double().numpy()
    drops = (p[0] - p[1:]).reshape(len(orders), len(TOP), 2).mean(axis=1)  # (orders, measures)
    found: dict[tuple[str, str], float] = {}
    for which, measure in enumerate(("comprehensiveness", "sufficiency")):
        own, random = float(drops[0, which]), float(drops[1:, which].mean())
        found |= {(measure, "scores"): own, (measure, "random"): random, (measure, "difference"): own - random}
    return found


def randomised(network: torch.nn.Module, seed: int) -> list[tuple[str, torch.nn.Module]]:
    """Copies with the weights of the head, of the upper half too, and of everything shuffled within each tensor.

    Shuffling keeps every tensor's distribution, and with it the size of activations and logits.
    """
    generator = torch.Generator().manual_seed(seed)
    names = [name for name, _ in network.named_parameters()]
    head = [name for name in names if not name.startswith(f"{network.base_model_prefix}.")]
    body = [name for name in names if name not in head]
    layers = int(network.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    numbers = {name: int(found[1]) for name in body if (found := _LAYER.search(name))}
    upper = [name for name, number in numbers.items() if number >= layers // 2]
    made = copy.deepcopy(network)
    stages = []
    for stage, group in (("head", head), ("upper_half", upper), ("all", [x for x in body if x not in upper])):
        parameters = dict(made.named_parameters())
        for name in group:
            weight = parameters[name].data
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))
        stages.append((stage, copy.deepcopy(made)))
    return stages


def _correlations(model: Model, network: torch.nn.Module, tweets: Sequence[Explained]) -> list[float]:
    encodings = model.tokenizer.encode_batch([tweet.text for tweet in tweets])
    rows = [
        Row(one.ids, one.special_tokens_mask, [model.labels.id(tweet.label)])
        for one, tweet in zip(encodings, tweets, strict=True)
    ]
    found = []
    for tweet, one, after in zip(tweets, encodings, explain(network, model.special, rows), strict=True):
        words, _ = word_scores(tweet.text, one.offsets, one.special_tokens_mask, after.scores)
        found.append(spearman(tweet.scores, [word["score"] for word in words]))
    return found


def interval(values: Values, dice: np.random.Generator) -> tuple[float, float, float]:
    """Mean, and a percentile bootstrap interval of 95 % over tweets."""
    draws = dice.integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)
