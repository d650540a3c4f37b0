"""What the benchmarks run on: a classifier as large as the real ones and tweets as long as real ones, both invented.

The encoder's weights are random, so its labels mean nothing; but the tweets hold words that mark their label, and the
head is fitted to them, so that every label occurs and margins are spread as a trained model's are. (Without it all
tweets get one label and no margin is ever near the errors of int8, and a speed measured there leaves the re-scoring
out.) Nothing is downloaded.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CamembertConfig, CamembertForSequenceClassification, PreTrainedTokenizerFast

from camembias import bundle, synthetic
from camembias.bundle import Bundle, Manifest
from camembias.labels import Labels
from camembias.scoring import token_batches
from camembias.text import normalise, words
from train.tiny import SPECIALS

LAYERS = {"base": 12, "distil": 6, "small": 2, "tiny": 2}  # camembert-base, DistilCamemBERT, and two for a quick look
WIDTHS = {"base": 768, "distil": 768, "small": 256, "tiny": 64}
PIECES = 32_005  # camembert-base's vocabulary
MAX_LENGTH = 128
FITTED_ON = 600  # tweets
COMPONENTS = 8  # of the `<s>` state; int8's errors are in the small ones
# Quantiles of words a tweet in 8,000 real tweets; scaled so that the mean comes out at 34 tokens, as it does for them.
QUANTILES = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1)
WORDS = (1, 2, 8, 12, 19, 26, 40, 45, 47, 51, 56)
SCALE = 0.67
RARE, MARKED, TORN = 0.05, 0.35, 0.1  # shares of words, of words, and of tweets
MARKS = ("", "anti", "#", "super")


def tweets(count: int, seed: int, invented: list[str], marked: float = MARKED, labels: int = 5) -> pl.DataFrame:
    """Invented tweets (tweet_id, text, label) whose lengths are those of real ones: clauses are joined, or cut.

    A few words of each are made up, so that the tokenizer meets rare words as it does in real text. Others mark its
    label, which random weights could not read from the sentences; in a tweet that is torn they mark another as well.
    A share `marked` of all words does so: none, for a model that reads. The first `labels` labels occur.
    """
    rng = random.Random(seed)
    pool = synthetic.tweets(count * 4, seed=seed).filter(~pl.col("text").str.starts_with("RT @"))
    pool = pool.filter(pl.col("label").is_in(sorted(pool["label"].unique())[:labels]))
    by_label = {label: pool.filter(pl.col("label") == label)["text"].to_list() for label in pool["label"].unique()}
    rows = []
    for index, label in enumerate(pool["label"].head(count)):
        length = max(1, round(SCALE * np.interp(rng.random(), QUANTILES, WORDS)))
        chosen: list[str] = []
        while len(chosen) < length:
            chosen += rng.choice(by_label[label]).split()
        torn = rng.choice(list(by_label)) if rng.random() < TORN else label
        chosen = [_swapped(rng, word, invented, rng.choice((label, torn)), marked) for word in chosen[:length]]
        rows.append((str(10**18 + index), normalise(" ".join(chosen)), label))
    return pl.DataFrame(rows, schema=["tweet_id", "text", "label"], orient="row")


def _swapped(rng: random.Random, word: str, invented: list[str], label: str, marked: float) -> str:
    """`word`, or a made-up one, or one of the words that mark `label`."""
    draw = rng.random()
    if draw < RARE:
        return rng.choice(invented)
    return f"{rng.choice(MARKS)}{label}" if draw < RARE + marked else word


def invented_words(count: int = 45_000, seed: int = 0) -> list[str]:
    """Made-up words out of French syllables, which let a tokenizer of camembert's size be trained."""
    rng = random.Random(seed)
    onsets = [
        "b",
        "bl",
        "br",
        "c",
        "ch",
        "cl",
        "d",
        "dr",
        "f",
        "fl",
        "g",
        "gr",
        "j",
        "l",
        "m",
        "n",
        "p",
        "pr",
        "s",
        "tr",
        "v",
    ]
    nuclei = ["a", "ai", "au", "e", "é", "è", "en", "eu", "i", "ie", "in", "o", "oi", "on", "ou", "u", "ui"]
    codas = ["", "", "", "l", "n", "r", "s", "t", "x", "che", "ge", "me", "ne", "que", "se", "te", "ve"]
    return [
        "".join(rng.choice(onsets) + rng.choice(nuclei) for _ in range(rng.randint(1, 3))) + rng.choice(codas)
        for _ in range(count)
    ]


def tokenizer(texts: list[str], folder: Path) -> PreTrainedTokenizerFast:
    """A Unigram tokenizer of PIECES pieces with camembert's special tokens. Pieces that training on so little text
    does not find are made-up words."""
    raw = Tokenizer(models.Unigram())
    raw.normalizer = normalizers.NFC()
    raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    raw.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    raw.train_from_iterator(
        texts,
        trainers.UnigramTrainer(vocab_size=PIECES, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False),
    )
    raw.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 5), ("</s>", 6)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=MAX_LENGTH,
    )
    fast.save_pretrained(str(folder))
    return fast


def corpus(invented: list[str], seed: int = 1) -> list[str]:
    """What the tokenizer is trained on: tweets, and every made-up word twice."""
    shuffled = invented * 2
    random.Random(seed).shuffle(shuffled)
    return tweets(6000, seed, invented)["text"].to_list() + [
        " ".join(shuffled[start : start + 20]) for start in range(0, len(shuffled), 20)
    ]


def random_weights(
    size: str, vocabulary: int, labels: Sequence[str], seed: int = 0
) -> CamembertForSequenceClassification:
    """A classifier of `size`, as transformers makes it before any training."""
    torch.manual_seed(seed)
    width = WIDTHS[size]
    config = CamembertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=LAYERS[size],
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=5,
        eos_token_id=6,
        id2label=dict(enumerate(labels)),
        label2id={name: position for position, name in enumerate(labels)},
    )
    return CamembertForSequenceClassification(config).eval()


def encoder(size: str, vocabulary: int, labels: Labels) -> CamembertForSequenceClassification:
    """Random weights whose states tell tweets apart, so that a head can be fitted to them."""
    model = random_weights(size, vocabulary, labels.names)
    # Plain random weights leave `<s>` nearly the same for all tweets, and int8's errors a sixth of what differs. With
    # more attention and less position, feed-forward and token type, they are a twentieth.
    with torch.no_grad():
        embeddings = model.roberta.embeddings
        embeddings.position_embeddings.weight.mul_(0.2)
        embeddings.token_type_embeddings.weight.mul_(0.2)
        for layer in model.roberta.encoder.layer:
            layer.attention.self.value.weight.mul_(3)
            layer.attention.output.dense.weight.mul_(3)
            layer.output.dense.weight.mul_(0.5)
    return model


def features(model: CamembertForSequenceClassification, rows: list[list[int]]) -> np.ndarray:
    """The last state of `<s>`, (tweets, width)."""
    found = np.zeros((len(rows), model.config.hidden_size), dtype=np.float32)
    for batch in token_batches([len(ids) for ids in rows], 4096):
        longest = len(rows[batch[0]])
        ids = torch.tensor([rows[row] + [1] * (longest - len(rows[row])) for row in batch])
        with torch.inference_mode():
            found[batch] = (
                model.roberta(input_ids=ids, attention_mask=(ids != 1).long()).last_hidden_state[:, 0].numpy()
            )
    return found


def fit_head(model: CamembertForSequenceClassification, states: np.ndarray, targets: list[int]) -> float:
    """Logistic regression on the frozen `<s>` states, written into the model's own head. Returns its accuracy.

    The dense layer turns a state into its leading principal components, scaled so that tanh neither saturates nor
    vanishes; the output layer holds the regression.
    """
    components = PCA(COMPONENTS).fit(states)
    turn = components.components_ / (2 * np.sqrt(components.explained_variance_[0]))  # (components, width)
    shift = -turn @ components.mean_
    squashed = np.tanh(states @ turn.T + shift)
    regression = LogisticRegression(C=3, max_iter=2000).fit(squashed, targets)
    dense, output = model.classifier.dense, model.classifier.out_proj
    with torch.no_grad():
        for parameter in (dense.weight, dense.bias, output.weight):
            parameter.zero_()
        dense.weight[:COMPONENTS] = torch.tensor(turn, dtype=torch.float32)
        dense.bias[:COMPONENTS] = torch.tensor(shift, dtype=torch.float32)
        output.weight[:, :COMPONENTS] = torch.tensor(regression.coef_, dtype=torch.float32)
        output.bias.copy_(torch.tensor(regression.intercept_, dtype=torch.float32))
    return float(regression.score(squashed, targets))


def training_words(sample: pl.DataFrame) -> pl.DataFrame:
    """What every bundle holds about its training tweets; a store wants it when it meets the model."""
    return sample.select(
        tweet="tweet_id",
        author=pl.lit(None, dtype=pl.String),
        duplicate_group=pl.int_range(pl.len()),
        label="label",
        split=pl.lit("train"),
        words=pl.Series([sorted({word.word for word in words(text)}) for text in sample["text"]]),
    )


def fine_tune(folder: Path, base_model: Path, count: int, labels: int) -> Bundle:
    """A bundle (not exported yet) of `base_model`, really trained on invented tweets without marks."""
    with tempfile.TemporaryDirectory(prefix="camembias-bench-") as scratch:
        sample = Path(scratch) / "tweets.csv"
        tweets(count, 2, invented_words(), 0, labels).write_csv(sample)
        options = ["--base-model", base_model, "--out", folder, "--group-column", "none", "--epochs", 3]
        code = "from camembias.cli import main\nmain()"
        subprocess.run([sys.executable, "-c", code, "train", sample, *map(str, options)], check=True)
    return bundle.load(folder)


def build(folder: Path, size: str) -> Bundle:
    """A bundle (not exported yet) of a model of `size`, with its head fitted."""
    invented = invented_words()
    with bundle.building(folder) as layout:
        fast = tokenizer(corpus(invented), layout.checkpoint)
        sample = tweets(FITTED_ON, 2, invented)
        labels = Labels.of(sample["label"])
        model = encoder(size, len(fast), labels)
        rows = fast(sample["text"].to_list(), truncation=True, max_length=MAX_LENGTH)["input_ids"]
        accuracy = fit_head(model, features(model, rows), labels.ids(sample["label"].to_list()))
        model.save_pretrained(str(layout.checkpoint), safe_serialization=True)
        training_words(sample).write_parquet(layout.training_words)
        manifest = Manifest(
            model_version=bundle.model_version(layout, labels),
            labels=labels.names,
            base_model=f"random weights, size of {size}",
            max_length=MAX_LENGTH,
            data={},
            metrics={"accuracy_where_fitted": accuracy},
        )
        bundle.seal(layout, manifest)
    return bundle.load(folder)
