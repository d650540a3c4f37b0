"""Integrated Gradients on a tiny CamemBERT: completeness, the baseline trap, an independent check, sums over words."""

import copy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from captum.attr import IntegratedGradients
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CamembertConfig,
    CamembertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from camembias import store as stores
from camembias.labels import DEFAULT_LABELS, Labels
from camembias.messages import ExplainRequest
from camembias.schemas import TABLES
from camembias.store import Store
from camembias.synthetic import tweets
from camembias.text import normalise
from explain_worker import attribution, job
from explain_worker.attribution import BASELINE, LEVELS, METHOD, explain
from explain_worker.path import Passes, Row
from explain_worker.words import word_scores

SPECIALS = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", "<mask>"]
SPECIAL_IDS = {"pad": 1, "bos": 5, "eos": 6, "mask": 7}
TEXTS = tweets(400, seed=5)["text"].to_list()


def make_tokenizer(max_length: int = 64) -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=600, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 5), ("</s>", 6)])
    made.enable_truncation(max_length)
    return made


def make_network(vocabulary: int) -> CamembertForSequenceClassification:
    """Random weights, larger than usual, so that logits move and completeness is not trivial."""
    torch.manual_seed(3)
    config = CamembertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=5,
        eos_token_id=6,
        initializer_range=0.3,
        num_labels=len(DEFAULT_LABELS),
    )
    return CamembertForSequenceClassification(config).eval().requires_grad_(False)


TOKENIZER = make_tokenizer()


@pytest.fixture(scope="module")
def network() -> CamembertForSequenceClassification:
    return make_network(TOKENIZER.get_vocab_size())


@pytest.fixture
def model(network: CamembertForSequenceClassification) -> job.Model:
    return job.Model("0123456789ab", Labels(DEFAULT_LABELS), network, TOKENIZER, SPECIAL_IDS)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stores.create(tmp_path / "store")


def rows_of(texts: list[str], targets: tuple[int, ...] = (0, 1, 2, 3)) -> list[Row]:
    return [Row(found.ids, found.special_tokens_mask, targets) for found in TOKENIZER.encode_batch(texts)]


def requests(texts: list[str], batch: str = "b1", **changes: object) -> pl.DataFrame:
    row = {
        "batch": batch,
        "label": "viande",
        "model_version": "0123456789ab",
        "targets": list(DEFAULT_LABELS),
        "method": METHOD,
        "baseline": BASELINE,
        "design_id": None,
        "requested_at": stores.now(),
        **changes,
    }
    rows = [{**row, "tweet_id": str(number), "text": text} for number, text in enumerate(texts)]
    return pl.DataFrame(rows, schema=TABLES["requests"])


REQUEST = ExplainRequest("b1", "0123456789ab")


def test_scores_and_baseline_add_up_to_the_logit(network):
    rows = rows_of(TEXTS[:12])
    found = explain(network, SPECIAL_IDS, rows)
    lines = [(row, target) for row in rows for target in row.targets]
    for (row, target), one in zip(lines, found, strict=True):
        logits = network(input_ids=torch.tensor([row.ids])).logits[0]
        assert one.logit == pytest.approx(float(logits[target]), abs=1e-4)  # alone, positions made by the model
        assert len(one.scores) == len(row.ids)
        assert sum(one.scores) + one.logit_baseline - one.delta == pytest.approx(one.logit, abs=1e-6)
        assert one.converged == (one.relative_error <= 0.05)
    assert np.mean([one.converged for one in found]) > 0.9
    assert len({one.steps for one in found}) > 1  # some needed more nodes
    exact = explain(network, SPECIAL_IDS, rows[:4], levels=(63,))
    assert max(abs(one.delta) for one in exact) < 0.01  # logits: with enough nodes nothing is missing


@pytest.mark.parametrize(("baseline", "absent"), [("mask", 7), ("pad", 1)])
def test_the_baseline_spares_the_tokens_that_the_tokenizer_added(network, baseline, absent):
    [row] = rows_of([TEXTS[3]], (1,))
    [found] = explain(network, SPECIAL_IDS, [row], baseline)
    start = [5, *[absent] * (len(row.ids) - 2), 6]
    positions = torch.arange(2, 2 + len(start))[None]  # of the tweet: a model that sees <pad> counts otherwise
    logits = network(torch.tensor([start]), attention_mask=torch.ones(1, len(start)), position_ids=positions).logits
    assert found.logit_baseline == pytest.approx(float(logits[0, 1]), abs=1e-4)
    assert found.scores[0] == found.scores[-1] == 0.0


def test_the_zero_baseline_has_no_word_embedding_where_a_word_was(network):
    [row] = rows_of([TEXTS[3]], (1,))
    [found] = explain(network, SPECIAL_IDS, [row], "zero")
    vectors = network.get_input_embeddings()(torch.tensor([row.ids])).clone()
    vectors[0, 1:-1] = 0
    positions = torch.arange(2, 2 + len(row.ids))[None]
    logits = network(inputs_embeds=vectors, position_ids=positions).logits
    assert found.logit_baseline == pytest.approx(float(logits[0, 1]), abs=1e-4)
    assert found.converged


def test_an_empty_text_has_nothing_to_explain(network):
    [found] = explain(network, SPECIAL_IDS, rows_of([""], (2,)))
    assert (found.scores, found.delta, found.converged) == ([0.0, 0.0], 0.0, True)


def test_neighbours_padding_and_other_labels_change_nothing(network):
    rows = rows_of(TEXTS[:6], (0, 3))
    together = explain(network, SPECIAL_IDS, rows)
    lines = [Row(row.ids, row.special, [target]) for row in rows for target in row.targets]
    for line, one in zip(lines, together, strict=True):
        [alone] = explain(network, SPECIAL_IDS, [line], passes=Passes(network, token_budget=64))
        assert alone.steps == one.steps
        np.testing.assert_allclose(alone.scores, one.scores, atol=1e-4)


def test_explicit_positions_avoid_the_padding_trap(network):
    """With `<pad>` as baseline and positions left to the model, more nodes never help; with ours they do."""
    rows = rows_of(TEXTS[:8], (0,))
    ours = [one.relative_error for one in explain(network, SPECIAL_IDS, rows, "pad", levels=(63,))]
    assert max(ours) < 0.01

    def trapped(row: Row) -> float:
        ids = torch.tensor([row.ids])
        baseline = torch.where(torch.tensor([row.special]).bool(), ids, 1)
        embedding = network.get_input_embeddings()
        method = IntegratedGradients(lambda x: network(inputs_embeds=x).logits)
        scores = method.attribute(embedding(ids), embedding(baseline), target=0, n_steps=60)
        with torch.no_grad():
            change = network(input_ids=ids).logits[0, 0] - network(input_ids=baseline).logits[0, 0]
        return float((scores.sum() - change).abs() / change.abs().clamp(min=0.05))

    assert np.median([trapped(row) for row in rows]) > 0.05


def test_agrees_with_captum_called_the_usual_way(network):
    [row] = rows_of([TEXTS[2]], (1,))
    [found] = explain(network, SPECIAL_IDS, [row], levels=(63,))
    embedding, ids = network.get_input_embeddings(), torch.tensor([row.ids])
    start = embedding(ids.where(torch.tensor([row.special]).bool(), 7))
    positions = torch.arange(2, 2 + len(row.ids))[None]
    method = IntegratedGradients(
        lambda x: network(inputs_embeds=x, position_ids=positions.expand(len(x), -1)).logits, multiply_by_inputs=True
    )
    expected = method.attribute(embedding(ids), start, target=1, n_steps=100).sum(dim=2)[0]
    np.testing.assert_allclose(found.scores, expected.tolist(), atol=2e-3)


SIZES = {
    "vocab_size": TOKENIZER.get_vocab_size(),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "initializer_range": 0.3,
    "num_labels": 4,
}
KINDS = {
    "camembert": (CamembertForSequenceClassification, CamembertConfig(**SIZES), 2),
    "roberta": (RobertaForSequenceClassification, RobertaConfig(**SIZES), 2),
    "deberta-v2": (
        DebertaV2ForSequenceClassification,
        DebertaV2Config(**SIZES, relative_attention=True, position_biased_input=True, pos_att_type=["p2c", "c2p"]),
        0,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_an_independent_integration_in_float64(kind):
    """Plain autograd on the embeddings at 300 Gauss-Legendre nodes."""
    made, config, first_position = KINDS[kind]
    torch.manual_seed(3)
    exact = made(config).eval().double()
    rows = rows_of([TEXTS[0], TEXTS[9]], (2, 0))
    found = explain(copy.deepcopy(exact).float(), SPECIAL_IDS, rows, levels=(7, 15, 31, 63))
    tight = explain(copy.deepcopy(exact).float(), SPECIAL_IDS, rows, levels=(63,))
    table = exact.get_input_embeddings()
    lines = [(row, target) for row in rows for target in row.targets]
    for (row, target), one, close in zip(lines, found, tight, strict=True):
        ids = torch.tensor(row.ids)
        end, start = table(ids).detach(), table(ids.where(torch.tensor(row.special).bool(), 7)).detach()
        positions = torch.arange(first_position, first_position + len(ids))[None]
        nodes, weights = map(torch.tensor, np.polynomial.legendre.leggauss(300))
        at = (start + (nodes[:, None, None] + 1) / 2 * (end - start)).requires_grad_()  # (nodes, tokens, hidden)
        logits = exact(inputs_embeds=at, position_ids=positions.expand(300, -1)).logits
        [gradients] = torch.autograd.grad(logits[:, target].sum(), at)
        mean = (weights[:, None, None] / 2 * gradients).sum(dim=0)
        expected = (mean * (end - start)).sum(dim=1).tolist()
        assert sum(expected) == pytest.approx(one.logit - one.logit_baseline, abs=1e-3)
        np.testing.assert_allclose(close.scores, expected, atol=5e-3)
        assert one.converged
        assert np.corrcoef(one.scores, expected)[0, 1] > 0.98


def counted(network) -> tuple[torch.nn.Module, list[int]]:
    """The network, and the number of points in each forward pass that will be made."""
    sizes: list[int] = []
    watched = copy.deepcopy(network)
    watched.register_forward_pre_hook(lambda _, __, given: sizes.append(len(given["inputs_embeds"])), with_kwargs=True)
    return watched, sizes


def test_labels_and_rules_share_their_passes(network):
    """A tweet is read once a node, whatever its labels and however often its rule grew; equal baselines once."""
    rows = rows_of([TEXTS[0], TEXTS[0], TEXTS[4]])
    watched, sizes = counted(network)
    found = explain(watched, SPECIAL_IDS, rows)
    most = [max(one.steps for one in found[start : start + 4]) for start in (0, 4, 8)]
    distinct = 2 + len({len(row.ids) for row in rows})  # ends: two different tweets, a baseline a length
    assert sum(sizes) == sum(most) + distinct
    assert max(most) > 7


def test_only_failing_lines_get_more_nodes_and_the_best_try_is_kept(network, monkeypatch):
    tried: list[tuple[int, int]] = []
    misses = {0: (0, 0, 0, 0), 1: (0.5, 0.001, 0, 0), 2: (0.9, 0.2, 0.9, 0.9), 3: (np.nan,) * 4}
    logits = network(torch.tensor([[5, 6]])).logits[0].tolist()

    def fake(_method, lines, level):
        tried.extend((target, level) for _, target in lines)
        return [[misses[target][LEVELS.index(level)], 0.0] for _, target in lines]

    monkeypatch.setattr(attribution._SharedGradients, "scores", fake)
    found = explain(network, SPECIAL_IDS, [Row([5, 6], [1, 1], [target]) for target in range(4)])
    assert sorted(tried) == [(0, 7), (1, 7), (1, 15), *[(t, s) for t in (2, 3) for s in LEVELS]]
    assert [one.converged for one in found] == [True, True, False, False]  # 0.001 of 0.05 logit is 2 %
    assert [one.steps for one in found[:3]] == [7, 15, 15]
    assert [one.logit for one in found] == pytest.approx(logits, abs=1e-5)


FRAGMENTS = st.sampled_from(
    ["l'été", "vive", " ", "\u00a0", "\u202f", "…", "e\u0301", "👩🏽\u200d💻", "🇫🇷", "<mask>", "</s>", "@a", "▁"]
)
ANY_TEXT = st.one_of(st.text(max_size=60), st.lists(FRAGMENTS, max_size=30).map("".join), st.sampled_from(TEXTS))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_TEXT, st.booleans(), st.integers(0, 2**32 - 1))
def test_no_score_is_lost_or_doubled_between_tokens_and_words(text, clean, seed):
    text = normalise(text) if clean else text.encode("utf-8", "replace").decode()
    found = TOKENIZER.encode(text)
    scores = np.random.default_rng(seed).normal(size=len(found.ids)).tolist()
    words, special_score = word_scores(text, found.offsets, found.special_tokens_mask, scores)
    assert sum(word["score"] for word in words) + special_score == pytest.approx(sum(scores), abs=1e-9)
    assert all(text[word["start"] : word["stop"]] == word["surface"] for word in words)


def test_a_token_over_two_words_is_split_by_characters():
    words, special_score = word_scores("l'été", [(0, 0), (0, 5), (0, 0)], [1, 0, 1], [0.5, 5.0, 0.25])
    assert [(word["word"], word["score"]) for word in words] == [("l'", 2.0), ("été", 3.0)]
    assert special_score == 0.75


def test_words_behind_the_truncation_are_left_out():
    words, _ = word_scores("un deux trois", [(0, 2), (2, 5)], [0, 0], [1.0, 2.0])
    assert [word["word"] for word in words] == ["un", "deux"]
