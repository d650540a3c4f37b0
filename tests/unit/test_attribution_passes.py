"""What attributions rest on: the memory of a pass, and the choice of a precision."""

import copy
import itertools

import pytest
import torch
from test_attribution import SPECIAL_IDS, TEXTS, TOKENIZER, make_network, rows_of

from explain_worker import precision
from explain_worker.attribution import SOUGHT_ERROR, explain
from explain_worker.budget import LARGEST, SMALLEST, bytes_per_token, free_bytes, token_budget
from explain_worker.path import Passes
from explain_worker.precision import bf16_copy, choose_passes, spearman


@pytest.fixture(scope="module")
def network():
    return make_network(TOKENIZER.get_vocab_size())


def test_more_nodes_are_tried_until_the_error_sought_is_met(network):
    rows = rows_of(TEXTS[:40], (0, 1, 2))
    loose, tight = (explain(network, SPECIAL_IDS, rows, sought=sought) for sought in (0.2, 0.01))
    assert all(one.relative_error <= 0.01 for one in tight)
    assert sum(one.steps for one in loose) < sum(one.steps for one in tight)


def test_memory_is_counted_from_what_autograd_keeps(network):
    wide = make_network(TOKENIZER.get_vocab_size())
    small, double = bytes_per_token(network), bytes_per_token(wide.double())
    assert small > 32 * 4 * 2  # at least the hidden states of both layers
    assert double == pytest.approx(2 * small, rel=0.1)


def test_the_token_budget_follows_free_memory(network, monkeypatch):
    assert free_bytes(torch.device("cpu")) > 2**20
    found = []
    for free in (2**20, 2**26, 2**40):
        monkeypatch.setattr("explain_worker.budget.free_bytes", lambda _, free=free: free)
        found.append(token_budget(network))
    assert found[0] == SMALLEST < found[1] <= found[2] == LARGEST["cpu"]


def test_what_bf16_cannot_do_is_done_again_in_fp32(network):
    """A copy whose gradients are wrong never adds up: every row falls back, and ends as in fp32 alone."""
    wrong = copy.deepcopy(network)
    wrong.classifier.out_proj.weight.mul_(1_000)  # so that no row is right because its logit hardly moves
    rows = rows_of(TEXTS[:3], (0, 2))
    found = explain(network, SPECIAL_IDS, rows, passes=Passes(wrong, "bf16"))
    plain = explain(network, SPECIAL_IDS, rows)
    assert {one.precision for one in found} == {"fp32"}
    assert [one.scores for one in found] == [one.scores for one in plain]


def test_bf16_gradients_explain_fp32_logits(network):
    rows = rows_of(TEXTS[:4], (1,))
    found = explain(network, SPECIAL_IDS, rows, passes=Passes(bf16_copy(network), "bf16"))
    plain = explain(network, SPECIAL_IDS, rows)
    assert [one.logit for one in found] == [one.logit for one in plain]
    rounded = [one for one in found if one.precision == "bf16"]
    assert rounded
    assert all(one.relative_error <= SOUGHT_ERROR for one in rounded)
    agreement = [spearman(one.scores, other.scores) for one, other in zip(found, plain, strict=True)]
    assert min(agreement) > 0.9


def test_bf16_is_not_tried_where_the_device_lacks_it(network, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda _: False)
    monkeypatch.setattr(precision, "bf16_copy", None)  # would raise
    assert choose_passes(network, SPECIAL_IDS, TOKENIZER).precision == "fp32"


@pytest.mark.parametrize(
    ("slower", "agreement", "expected"), [(False, 0.995, "bf16"), (True, 0.995, "fp32"), (False, 0.98, "fp32")]
)
def test_bf16_must_be_faster_and_agree(network, monkeypatch, slower, agreement, expected):
    """The explanations are real; the clock and the measured agreement are given."""
    clock = itertools.accumulate(itertools.cycle([0.0, 1.0, 0.0, 2.0 if slower else 0.5]))
    monkeypatch.setattr(precision, "has_bf16", lambda _: True)
    monkeypatch.setattr(precision, "PROBE_TWEETS", 3)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(precision, "_agreement", lambda *_: agreement)
    monkeypatch.setattr(precision, "explain", lambda *_, passes, **__: [_Done()] * 3)
    assert choose_passes(network, SPECIAL_IDS, TOKENIZER).precision == expected


class _Done:
    converged = True


def test_spearman():
    assert spearman([1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 9.0, 16.0]) == pytest.approx(1)
    assert spearman([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == pytest.approx(-1)
    assert spearman([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 5.0]) == pytest.approx(0.8)  # by hand
    assert spearman([1.0], [2.0]) == 1.0
