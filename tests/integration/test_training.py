"""Real training of `tiny`: killed and resumed it is the same model; what it starts from is found or named."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from camembias import bundle, synthetic
from camembias.errors import InputError
from train import base, corpus, finetune, pretraining, table
from train.classifier import Classifier, Options, fit
from train.progress import silent
from train.working import folder_of, working

ROOT = Path(__file__).parents[2]
QUICK = Options(base_model="tiny", epochs=4, batch_size=16)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "labelled.csv"
    synthetic.tweets(240, seed=6).write_csv(path)
    return path


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from camembias.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finished(*arguments: object) -> str:
    process = start(*arguments)
    output, problems = process.communicate(timeout=300)
    assert process.returncode == 0, problems
    return output


def killed_at(condition: object, *arguments: object) -> None:
    process = start(*arguments)
    end = time.monotonic() + 300
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.communicate()


def test_killed_twice_and_resumed_it_is_the_same_model(labelled, tmp_path):
    common = (labelled, "--base-model", "tiny", "--epochs", 3, "--batch-size", 16, "--folds", 2)
    common = ("train", *common, "--group-column", "none", "--json")
    calm = json.loads(finished(*common, "--out", tmp_path / "calm"))
    target = tmp_path / "rough"
    folder = folder_of(target)
    killed_at(lambda: list(folder.glob("fold/fold-1/checkpoint-*/trainer_state.json")), *common, "--out", target)
    assert (folder / "fold" / "fold-0.npz").exists()  # the first fold was done, and is not done again
    assert not target.exists()
    refused = start(*common, "--out", target)
    _, problems = refused.communicate()
    assert refused.returncode == 2
    assert "--resume" in problems
    half = "final/checkpoint-*/trainer_state.json"
    killed_at(lambda: list(folder.glob(half)), *common, "--out", target, "--resume")
    rough = json.loads(finished(*common, "--out", target, "--resume"))
    assert rough["metrics"] == calm["metrics"]
    assert rough["model_version"] == calm["model_version"]  # a digest of weights and tokenizer
    assert not folder.exists()


def test_trained_in_bf16_it_is_judged_by_the_fp32_logits_that_are_served(labelled, tmp_path):
    def trained(precision: str, name: str) -> Classifier:
        made = finetune.plan(table.read(labelled), dataclasses.replace(QUICK, epochs=0.2, precision=precision))
        return fit(made.rows, made.labels, made.options, tmp_path / name, silent, "")

    texts = pl.read_csv(labelled)["text"].head(20).to_list()
    before, reduced, after = trained("fp32", "a"), trained("bf16", "b"), trained("fp32", "c")
    reduced.model.save_pretrained(tmp_path / "saved")
    served = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    assert np.allclose(reduced.logits(texts), dataclasses.replace(reduced, model=served).logits(texts), atol=1e-5)
    assert np.abs(reduced.logits(texts) - before.logits(texts)).max() > 1e-5
    assert np.array_equal(after.logits(texts), before.logits(texts))  # bf16 ends with the run that asked for it


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has fp16")
def test_fp16_is_refused_without_a_gpu_before_anything_is_made(labelled, tmp_path):
    made = finetune.plan(table.read(labelled), dataclasses.replace(QUICK, precision="fp16"))
    with pytest.raises(InputError, match="--precision fp16 needs a GPU"):
        finetune.train(made, tmp_path / "m")
    with pytest.raises(InputError, match="--precision fp16 needs a GPU"):
        pretraining.pretrain(corpus.read(labelled), tmp_path / "m", pretraining.Options("tiny", precision="fp16"))
    assert [path.name for path in tmp_path.iterdir()] == []


def test_what_is_no_model_of_its_kind_is_neither_removed_nor_trained_for(labelled, tmp_path):
    made, adapted = finetune.plan(table.read(labelled), QUICK), pretraining.Options(base_model="tiny", epochs=0.1)
    for name in ("notes/a.txt", "shelf/mine/manifest.json", "nested/manifest.json", "nested/mine/manifest.json",
                 "adapted/pretraining.json", "bundle/manifest.json", "file"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    for name in ("notes", "shelf", "nested", "adapted", "file"):
        with pytest.raises(InputError, match=r"manifest\.json\) is replaced; name a new folder"):
            finetune.train(made, tmp_path / name)
    for name in ("notes", "shelf", "nested", "bundle", "file"):
        with pytest.raises(InputError, match=r"pretraining\.json\) is replaced; name a new folder"):
            pretraining.pretrain(corpus.read(labelled), tmp_path / name, adapted)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_and_an_older_model_are_replaced_the_working_folder_too(labelled, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    found = []
    for seed in (0, 1):
        monkeypatch.chdir(folder)
        options = Options(base_model="tiny", epochs=1, seed=seed)
        found.append(finetune.train(finetune.plan(table.read(labelled), options), Path()))
    assert [one.layout.root for one in found] == [folder, folder]
    assert bundle.load(folder).model_version == found[1].model_version != found[0].model_version
    adapted = pretraining.Options(base_model="tiny", epochs=0.1)
    for _ in range(2):
        pretraining.pretrain(corpus.read(labelled), tmp_path / "adapted", adapted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapted", "here"]


def test_a_resumed_run_must_be_the_same_run(tmp_path):
    folder = folder_of(tmp_path / "m")
    folder.mkdir()
    (folder / "plan.json").write_text('{"seed": 0}')
    (folder / "done").touch()
    with pytest.raises(InputError, match="--resume"), working(tmp_path / "m", {"seed": 0}, resume=False):
        pass
    with pytest.raises(InputError, match="seed was 0, is 1"), working(tmp_path / "m", {"seed": 1}, resume=True):
        pass
    with working(tmp_path / "m", {"seed": 0}, resume=True) as folder:
        with pytest.raises(InputError, match="another process"), working(tmp_path / "m", {"seed": 0}, resume=True):
            pass
        assert (folder / "done").exists()
    assert not folder.exists()


def test_of_two_runs_that_begin_at_once_one_goes_on(tmp_path, monkeypatch):
    def write_as_another_begins(path: Path, text: str) -> None:
        with pytest.raises(InputError, match="another process"), working(tmp_path / "m", {"seed": 0}, resume=False):
            pass
        path.write_text(text, encoding="utf-8")

    monkeypatch.setattr("train.working.write_text", write_as_another_begins)
    with working(tmp_path / "m", {"seed": 0}, resume=False) as folder:
        assert (folder / "plan.json").exists()
    assert not folder.exists()


def test_rows_in_another_order_give_the_same_model(labelled, tmp_path):
    shuffled = pl.read_csv(labelled, infer_schema=False).sample(fraction=1, shuffle=True, seed=2)
    shuffled.write_csv(tmp_path / "shuffled.csv")
    found = [
        finetune.train(finetune.plan(table.read(path), QUICK), tmp_path / f"model-{number}")
        for number, path in enumerate((labelled, tmp_path / "shuffled.csv"))
    ]
    assert found[0].model_version == found[1].model_version
    assert found[0].manifest.metrics == found[1].manifest.metrics
    assert found[0].manifest.data["training"]["epochs_run"] <= 4


def test_pretraining_lowers_the_loss_and_serves_as_a_base_model(labelled, tmp_path):
    tweets = corpus.read(labelled)
    options = pretraining.Options(base_model="tiny", epochs=3, batch_size=16)
    record = pretraining.pretrain(tweets, tmp_path / "adapted", options)
    assert record["loss_after"] < record["loss_before"] - 0.2
    assert record == json.loads((tmp_path / "adapted" / "pretraining.json").read_text(encoding="utf-8"))
    again = pretraining.pretrain(
        tweets, tmp_path / "twice", pretraining.Options(base_model=str(tmp_path / "adapted"), epochs=1)
    )
    assert again["loss_before"] == pytest.approx(record["loss_after"], abs=1e-5)
    chosen = Options(base_model=str(tmp_path / "adapted"), epochs=2)
    made = finetune.train(finetune.plan(table.read(labelled), chosen), tmp_path / "model")
    assert made.manifest.data["training"]["learning_rate"] == 1e-3  # as for tiny, which it is
    assert bundle.load(tmp_path / "model").model_version == made.model_version


@pytest.mark.parametrize("spoiled", ["model.safetensors", "tokenizer.json", None])
def test_a_base_model_that_cannot_be_loaded_is_one_line(tmp_path, spoiled, labelled, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    options = QUICK
    if spoiled:
        made = pretraining.Options(base_model="tiny", epochs=0.1)
        pretraining.pretrain(corpus.read(labelled), tmp_path / "adapted", made)
        (tmp_path / "adapted" / spoiled).unlink()
        options = Options(base_model=str(tmp_path / "adapted"), epochs=1)
    else:
        shutil.rmtree(tmp_path / "camembertv2-base", ignore_errors=True)
        options = Options(base_model="camembertv2-base", epochs=1)
    with pytest.raises(InputError, match=spoiled or "hf download almanach/camembertv2-base") as caught:
        finetune.train(finetune.plan(table.read(labelled), options), tmp_path / "model")
    assert "\n" not in str(caught.value)
    assert not folder_of(tmp_path / "model").exists()


def test_folds_pool_every_row_and_are_done_twice_with_authors(labelled, tmp_path):
    options = Options(base_model="tiny", epochs=1, folds=2, by_author=True)
    made = finetune.plan(table.read(labelled), options)
    assert {"split", "fold", "random_fold"} <= set(made.rows.columns)
    seen = []
    found = finetune.train(made, tmp_path / "model", lambda title, done, total: seen.append(title))
    assert found.manifest.metrics["tweets"] == len(made.rows)
    assert list(dict.fromkeys(seen)) == [
        "authors apart, fold 1 of 2, epoch 1 of 1",
        "authors apart, fold 2 of 2, epoch 1 of 1",
        "random, fold 1 of 2, epoch 1 of 1",
        "random, fold 2 of 2, epoch 1 of 1",
        "the model that is kept, epoch 1 of 1",
    ]


def test_class_weights_make_labels_weigh_the_same_in_sum():
    import torch

    from train.classifier import _weighted

    truth = [0] * 9 + [1]
    logits = torch.zeros(10, 2)
    output = type("Output", (), {"logits": logits})
    total = float(_weighted(truth, 2)(output, torch.tensor(truth)))
    assert total == pytest.approx(np.log(2), abs=1e-6)  # the mean weight is 1
    rare = float(_weighted(truth, 2)(type("Output", (), {"logits": logits[9:]}), torch.tensor([1])))
    assert rare == pytest.approx(5 * np.log(2), abs=1e-5)  # 10 / (2 labels × 1 tweet)


def test_presets_are_short_names_and_anything_else_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert base.resolve("camembert-base") == "almanach/camembert-base"
    assert base.resolve("someone/model") == "someone/model"
    (tmp_path / "camembert-base").mkdir()
    assert base.resolve("camembert-base") == "camembert-base"
