"""Integrated Gradients on a tiny CamemBERT: completeness, the baseline trap, an independent check, sums over words."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from captum.attr import IntegratedGradients
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CamembertConfig, CamembertForSequenceClassification

from camembias import store as stores
from camembias.labels import DEFAULT_LABELS, Labels
from camembias.messages import ExplainRequest
from camembias.schemas import TABLES
from camembias.store import Store
from camembias.synthetic import tweets
from camembias.text import normalise
from explain_worker import attribution, job
from explain_worker.attribution import BASELINE, METHOD, Attribution, Row, explain
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
    encodings = TOKENIZER.encode_batch(texts)
    return [Row(found.ids, found.special_tokens_mask, target) for found in encodings for target in targets]


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
    for row, one in zip(rows, found, strict=True):
        logits = network(input_ids=torch.tensor([row.ids])).logits[0]
        assert one.logit == pytest.approx(float(logits[row.target]), abs=1e-4)  # alone, positions made by the model
        assert len(one.scores) == len(row.ids)
        assert sum(one.scores) + one.logit_baseline - one.delta == pytest.approx(one.logit, abs=1e-6)
        assert one.converged == (one.relative_error <= 0.05)
    assert np.mean([one.converged for one in found]) > 0.9
    exact = explain(network, SPECIAL_IDS, rows[:8], nodes=(200,))
    assert max(abs(one.delta) for one in exact) < 0.01  # logits: with enough nodes nothing is missing
    assert {one.steps for one in found} > {8}  # some rows needed more nodes


def test_the_baseline_is_mask_except_for_the_tokens_that_the_tokenizer_added(network):
    [row] = rows_of([TEXTS[3]], (1,))
    [found] = explain(network, SPECIAL_IDS, [row])
    masked = [5, *[7] * (len(row.ids) - 2), 6]
    assert found.logit_baseline == pytest.approx(float(network(torch.tensor([masked])).logits[0, 1]), abs=1e-4)
    assert found.scores[0] == found.scores[-1] == 0.0


def test_an_empty_text_has_nothing_to_explain(network):
    [found] = explain(network, SPECIAL_IDS, rows_of([""], (2,)))
    assert (found.scores, found.delta, found.converged) == ([0.0, 0.0], 0.0, True)


def test_neighbours_and_padding_change_nothing(network):
    rows = rows_of(TEXTS[:6], (0,))
    together = explain(network, SPECIAL_IDS, rows)
    for row, one in zip(rows, together, strict=True):
        [alone] = explain(network, SPECIAL_IDS, [row])
        assert alone.steps == one.steps
        np.testing.assert_allclose(alone.scores, one.scores, atol=1e-4)


def test_explicit_positions_avoid_the_padding_trap(network):
    """With `<pad>` as baseline and positions left to the model, more nodes never help; with ours they do."""
    pad = {**SPECIAL_IDS, "mask": SPECIAL_IDS["pad"]}
    rows = rows_of(TEXTS[:8], (0,))
    ours = [one.relative_error for one in explain(network, pad, rows, nodes=(200,))]
    assert max(ours) < 0.01

    def trapped(row: Row) -> float:
        ids = torch.tensor([row.ids])
        baseline = torch.where(torch.tensor([row.special]).bool(), ids, 1)
        embedding = network.get_input_embeddings()
        method = IntegratedGradients(lambda x: network(inputs_embeds=x).logits)
        scores = method.attribute(embedding(ids), embedding(baseline), target=row.target, n_steps=200)
        with torch.no_grad():
            change = network(input_ids=ids).logits[0, row.target] - network(input_ids=baseline).logits[0, row.target]
        return float((scores.sum() - change).abs() / change.abs().clamp(min=0.05))

    assert np.median([trapped(row) for row in rows]) > 0.05


def test_agrees_with_an_independent_integration_in_float64(network):
    [row] = rows_of([TEXTS[0]], (2,))
    [found] = explain(network, SPECIAL_IDS, [row], nodes=(64,))
    exact = make_network(TOKENIZER.get_vocab_size()).double()
    table = exact.get_input_embeddings()
    ids = torch.tensor(row.ids)
    end, start = table(ids), table(ids.where(torch.tensor(row.special).bool(), 7))
    positions = torch.arange(2, 2 + len(row.ids))[None]
    total = torch.zeros_like(end)
    for point, weight in zip(*np.polynomial.legendre.leggauss(300), strict=True):
        at = (start + (point + 1) / 2 * (end - start)).requires_grad_()
        logit = exact(inputs_embeds=at[None], position_ids=positions).logits[0, 2]
        total += weight / 2 * torch.autograd.grad(logit, at)[0]
    expected = (total * (end - start)).sum(dim=1)
    assert float(expected.sum()) == pytest.approx(found.logit - found.logit_baseline, abs=1e-4)
    np.testing.assert_allclose(found.scores, expected.tolist(), atol=2e-3)


def test_only_failing_rows_get_more_nodes_and_the_best_try_is_kept(monkeypatch):
    tried: list[tuple[int, int]] = []

    def fake(_model, _special, rows, steps):
        tried.extend((row.target, steps) for row in rows)
        errors = {0: 0.0, 1: 0.5 if steps == 8 else 0.01, 2: 0.2 if steps == 16 else 0.9, 3: float("nan")}
        return [Attribution([1.0 + errors[row.target]], steps, 1.0, 0.0, 2.0) for row in rows]

    monkeypatch.setattr(attribution, "_explain_batch", fake)
    found = explain(torch.nn.Identity(), SPECIAL_IDS, [Row([5], [1], target) for target in range(4)])
    assert sorted(tried) == [(0, 8), (1, 8), (1, 16), *[(t, s) for t in (2, 3) for s in (8, 16, 32, 64)]]
    assert [one.converged for one in found] == [True, True, False, False]
    assert found[2].steps == 16
    assert found[2].duration_ms == 8.0


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
