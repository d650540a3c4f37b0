"""The same laws on a GPU. Skipped where PyTorch sees none."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from test_attribution import SPECIAL_IDS, TEXTS, TOKENIZER, make_network, rows_of

from camembias.checkpoint import best_device
from camembias.synthetic import tweets
from explain_worker.attribution import explain
from explain_worker.budget import LARGEST, bytes_per_token, token_budget
from explain_worker.path import Passes
from explain_worker.precision import bf16_copy, choose_passes, has_bf16
from train import corpus, finetune, pretraining, table
from train.classifier import Options, fit
from train.progress import silent

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that PyTorch sees")
ROWS = rows_of(TEXTS[:40])


@pytest.fixture(scope="module")
def network():
    return make_network(TOKENIZER.get_vocab_size())


@pytest.fixture(scope="module")
def on_gpu(network):
    assert best_device().type == "cuda"
    return copy.deepcopy(network).to(best_device())


def test_attributions_are_those_of_the_cpu_and_add_up(network, on_gpu):
    here, there = (explain(one, SPECIAL_IDS, ROWS, passes=Passes(one)) for one in (network, on_gpu))
    for cpu, gpu in zip(here, there, strict=True):
        assert gpu.logit == pytest.approx(cpu.logit, abs=1e-4)
        assert gpu.logit_baseline == pytest.approx(cpu.logit_baseline, abs=1e-4)
        assert gpu.steps == cpu.steps
        assert np.allclose(gpu.scores, cpu.scores, atol=1e-3)
        assert gpu.converged == cpu.converged


def test_large_passes_say_the_same_as_small_ones(on_gpu):
    small, large = (explain(on_gpu, SPECIAL_IDS, ROWS, passes=Passes(on_gpu, token_budget=n)) for n in (256, 65536))
    for one, other in zip(small, large, strict=True):
        assert np.allclose(one.scores, other.scores, atol=1e-3)


def test_bf16_falls_back_on_fp32_where_it_does_not_add_up(on_gpu):
    if not has_bf16(best_device()):
        pytest.skip("no bf16 on this GPU")
    reduced = Passes(bf16_copy(on_gpu), precision="bf16")
    exact, found = explain(on_gpu, SPECIAL_IDS, ROWS), explain(on_gpu, SPECIAL_IDS, ROWS, passes=reduced)
    assert {one.precision for one in found} >= {"bf16"}
    assert [one.converged for one in found] == [one.converged for one in exact]
    assert [one.logit for one in found] == pytest.approx([one.logit for one in exact], abs=1e-4)


def test_the_precision_is_chosen_and_the_budget_follows_the_gpus_memory(on_gpu):
    chosen = choose_passes(on_gpu, SPECIAL_IDS, TOKENIZER)
    assert chosen.streams == 1
    assert chosen.precision in ("fp32", "bf16")
    assert 0 < token_budget(on_gpu) <= LARGEST["cuda"]
    assert bytes_per_token(on_gpu) > 32 * 4 * 2  # at least the hidden states of both layers


def test_what_is_trained_on_a_gpu_says_the_same_on_a_cpu(tmp_path: Path):
    source, adapted = tmp_path / "tweets.csv", tmp_path / "adapted"
    tweets(800, seed=3).write_csv(source)
    record = pretraining.pretrain(corpus.read(source), adapted, pretraining.Options("tiny", epochs=2.0))
    assert record["loss_after"] < record["loss_before"]
    assert record["precision"] in ("bf16", "fp16")
    made = finetune.plan(table.read(source), Options(base_model=str(adapted), epochs=6))
    fitted = fit(made.rows, made.labels, made.options, tmp_path / "work", silent, "")
    there = fitted.logits(TEXTS[:40])
    assert fitted.model.device.type == "cuda"
    fitted.model.cpu()
    assert np.allclose(there, fitted.logits(TEXTS[:40]), atol=1e-3)
    assert max(epoch["macro_f1"] for epoch in fitted.history) > 0.5
