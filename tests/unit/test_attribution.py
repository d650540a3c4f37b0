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
from explain_worker import job
from explain_worker.attribution import BASELINE, METHOD, SOUGHT_ERROR, explain
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
    assert all(one.relative_error <= SOUGHT_ERROR for one in found)
    assert len({one.steps for one in found}) > 1  # some needed more nodes
    exact = explain(network, SPECIAL_IDS, rows[:4], sought=1e-4)
    assert max(abs(one.delta) for one in exact) < 1e-3  # logits: with enough nodes nothing is missing


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
    assert (found.scores, found.steps, found.converged) == ([0.0, 0.0], 0, True)
    assert found.delta == pytest.approx(0, abs=1e-5)


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
    ours = [one.relative_error for one in explain(network, SPECIAL_IDS, rows, "pad", sought=0.005)]
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
    [found] = explain(network, SPECIAL_IDS, [row], sought=0.001)
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
    found = explain(copy.deepcopy(exact).float(), SPECIAL_IDS, rows)
    tight = explain(copy.deepcopy(exact).float(), SPECIAL_IDS, rows, sought=0.001)
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


def test_labels_share_forward_passes_and_each_takes_its_own_gradient(network):
    """A point of a tweet is read once, whatever its labels; without gradients where only the logits are asked."""
    rows = rows_of([TEXTS[0], TEXTS[4]])
    watched, sizes = counted(network)
    together = explain(watched, SPECIAL_IDS, rows)
    shared, apart = sum(sizes), 0
    for row in rows:
        for target in row.targets:
            sizes.clear()
            explain(watched, SPECIAL_IDS, [Row(row.ids, row.special, [target])])
            apart += sum(sizes)
    assert shared < apart / 2
    assert shared < sum(one.steps for one in together)


class Stepping(torch.nn.Module):
    """A model whose first logit is `shape` of what the tweet's embeddings add up to, and whose second is 0."""

    def __init__(self, shape) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(10, 4)
        torch.nn.init.zeros_(self.table.weight)
        self.table.weight.data[8:] = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.4, 0.0, 0.0, 0.0]])
        self.config = type("Config", (), {"num_labels": 2, "model_type": "none"})()
        self.shape = shape
        self.requires_grad_(False)

    def get_input_embeddings(self):
        return self.table

    def forward(self, inputs_embeds, attention_mask, **_):
        at = (inputs_embeds[:, :, 0] * attention_mask).sum(dim=1)
        return type("Output", (), {"logits": torch.stack([self.shape(at), torch.zeros_like(at)], dim=1)})()


def stepping(shape, ids=(5, 8, 8, 9, 6)):
    row = Row(ids, [1, *[0] * (len(ids) - 2), 1], [0])
    return explain(Stepping(shape), SPECIAL_IDS, [row])[0]


@pytest.mark.parametrize("steep", [10, 300, 3000])
def test_a_step_is_shared_out_as_its_words_move_it(steep):
    """Along the path all words move together, so each has its part of the step, whatever its shape: by hand."""
    found = stepping(lambda at: 4 * torch.sigmoid(steep * (at - 0.91)))
    assert found.converged
    assert found.steps < 60
    np.testing.assert_allclose(
        np.array(found.scores) / sum(found.scores), [0, 1 / 2.4, 1 / 2.4, 0.4 / 2.4, 0], atol=1e-4
    )
    assert sum(found.scores) == pytest.approx(4, rel=SOUGHT_ERROR)


def test_a_logit_that_oscillates_is_kept_with_its_error():
    found = stepping(lambda at: 3 * torch.sin(4000 * at * at))
    assert not found.converged
    assert np.isfinite(found.scores).all()
    assert 50 < found.steps < 500  # it gives up


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_have_no_scores_and_cost_no_gradient(bad):
    found = stepping(lambda at: at / at.clamp(max=0) * bad)
    assert np.isnan(found.scores).all()
    assert (found.steps, found.converged) == (0, False)


def test_a_logit_that_never_moves_is_explained_by_nothing():
    found = stepping(lambda at: torch.full_like(at, 7.0) + 0 * at)
    assert (found.scores, found.delta, found.converged) == ([0.0] * 5, 0.0, True)


def test_tweets_that_are_not_finite_spare_their_neighbours(network):
    watched = copy.deepcopy(network)
    others = rows_of(TEXTS[:2], (0, 1))
    odd = min(set(range(8, 200)) - {token for row in others for token in row.ids})
    watched.get_input_embeddings().weight[odd] = float("nan")
    rows = [Row([5, odd, 6], [1, 0, 1], [0, 1]), *others]
    found = explain(watched, SPECIAL_IDS, rows)
    assert [one.converged for one in found] == [False, False, True, True, True, True]


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
