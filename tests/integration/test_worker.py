"""A real Valkey, a real Celery worker, either of them killed in the middle: every explanation is there, once."""

import json
import re
import shutil
import subprocess
import sys
import time

import pytest

from camembias import attempts, messages, progress
from camembias.errors import BrokerError
from explain_worker import broker as queue

from ..conftest import build_tiny
from .conftest import ROOT, request

pytestmark = pytest.mark.integration
SIZE = 6


def explained_once(store, tweets):
    rows = store.scan("explanations").collect()
    return rows.height == rows.unique(["tweet_id", "target"]).height == tweets * 4


@pytest.fixture
def ask(store, tiny_bundle, tiny_texts):
    """Queue batches of so many tweets each, and return their requests."""

    def ask(url, names, size=SIZE, to=messages.QUEUE_SAMPLE):
        sent = [
            request(store, tiny_bundle, name, tiny_texts[size * n : size * n + size]) for n, name in enumerate(names)
        ]
        queue.send(url, sent, to)
        return sent

    return ask


def test_killed_worker_killed_broker_emptied_broker_lose_and_double_nothing(store, tiny_bundle, broker, workers, ask):
    names = [f"b{number}" for number in range(6)]
    sent = ask(broker.url, names, size=12)
    workers.start()
    workers.until(lambda: "b1" in attempts.begun(store))
    workers.kill()
    assert not store.has_part("explanations", "b1")  # it was caught in the middle
    assert attempts.begun(store)["b1"].attempts == 1
    workers.until(lambda: not attempts.is_running(store, "b1"))  # the kernel let go of its lock
    workers.start()
    workers.until(lambda: "b2" in attempts.begun(store))
    broker.kill()
    time.sleep(1)
    broker.start()
    workers.until(lambda: store.has_part("explanations", "b3"))
    broker.empty()
    workers.until(lambda: not any(one.running for one in attempts.begun(store).values()))
    left = progress.unfinished(store, tiny_bundle.model_version)
    assert {"b1", "b5"} <= set(left)  # b1 waited for its visibility timeout, b5 in the queue
    again = [one for one in sent if one.batch in left]
    queue.send(broker.url, again, messages.QUEUE_SAMPLE)
    workers.until(lambda: explained_once(store, 72))
    queue.send(broker.url, sent, messages.QUEUE_SAMPLE)  # delivered once more: nothing changes
    workers.until(lambda: not queue.queued(broker.url, tiny_bundle.model_version))
    assert queue.health(broker.url, tiny_bundle.model_version) == tiny_bundle.model_version
    assert explained_once(store, 72)
    assert store.scan("failures").collect().is_empty()
    assert list(store.attempts.iterdir()) == []
    assert store.part_names("request_texts") == []


def test_a_poison_request_fails_alone_and_hurts_no_neighbour(store, tiny_bundle, tiny_texts, broker, workers):
    sent = request(store, tiny_bundle, "b", [*tiny_texts[:3], "POISON dans l'avion", *tiny_texts[3:5]])
    queue.send(broker.url, [sent], messages.QUEUE_SAMPLE)
    workers.start("tests.integration.poison_app", log_json=True)
    workers.until(lambda: progress.of_batches(store, ["b"])["b"][1] and not attempts.begun(store))
    failures = store.scan("failures").collect()
    assert failures.select("tweet_id", "attempts").rows() == [("b-3", 3)]
    assert "died" in failures["error"][0]
    assert explained_once(store, 5)
    assert store.part_names("request_texts") == []
    workers.until(lambda: "succeeded in" in workers.log.read_text())
    log = workers.log.read_text()
    assert "POISON" not in log
    events = [json.loads(line) for line in log.splitlines()]
    assert any("exited prematurely" in event.get("exception", "") for event in events), log


def test_an_urgent_batch_overtakes_and_other_models_wait(store, tiny_bundle, tiny_texts, broker, workers, ask):
    foreign = messages.ExplainRequest("foreign", "another00000")
    queue.send(broker.url, [foreign], messages.QUEUE_NOW)
    ask(broker.url, ["a", "b", "c", "d"])
    ask(broker.url, ["urgent"], to=messages.QUEUE_NOW)
    assert queue.queued(broker.url, tiny_bundle.model_version) == {"a", "b", "c", "d", "urgent"}
    workers.start()
    workers.until(lambda: store.has_part("explanations", "d"))
    when = {name: store.part("explanations", name).stat().st_mtime_ns for name in ("a", "b", "c", "d", "urgent")}
    assert sorted(when, key=when.__getitem__).index("urgent") == 0
    assert queue.queued(broker.url, "another00000") == {"foreign"}


def slices(workers):
    """Slices begun by a worker of `slow_app`, in order: (batch, tweets)."""
    found = re.findall(r"SLICE (\S+) (\d+)", workers.log.read_text())
    return [(batch, int(tweets)) for batch, tweets in found]


def test_an_urgent_request_behind_many_waits_for_one_slice_at_most(
    store, tiny_bundle, tiny_texts, broker, workers, ask
):
    """On a slow model a batch takes long: the urgent one is taken in its middle, and then it goes on."""
    names = [f"b{number:02d}" for number in range(20)]
    ask(broker.url, names, size=10)
    workers.start("tests.integration.slow_app")
    workers.until(lambda: len(slices(workers)) >= 2)
    ask(broker.url, ["urgent"], size=1, to=messages.QUEUE_NOW)
    asked_at = len(slices(workers))
    workers.until(lambda: store.has_part("explanations", "urgent"))
    order = [batch for batch, _ in slices(workers)]
    assert order.index("urgent") <= asked_at + 1, order
    assert len(set(order[: order.index("urgent")])) == 1, "in the middle of the first batch"
    assert len(queue.queued(broker.url, tiny_bundle.model_version)) >= 18
    [gave_way] = set(order[: order.index("urgent")])
    kept = progress.of_batches(store, [gave_way])[gave_way][0].done
    assert 1 <= kept < 10
    workers.until(lambda: f"batch {gave_way} gives way to explain.now" in workers.log.read_text())
    workers.until(lambda: len({batch for batch, _ in slices(workers)}) >= 3)
    workers.kill()
    workers.start()  # quick again
    workers.until(lambda: gave_way not in queue.queued(broker.url, tiny_bundle.model_version))
    workers.until(lambda: progress.of_batches(store, [gave_way])[gave_way][1])
    rows = progress.made_of(store, "explanations", gave_way)
    assert rows.height == rows.unique(["tweet_id", "target"]).height == 40
    assert store.scan("failures").collect().is_empty()


def test_a_health_check_is_answered_between_two_slices_of_an_urgent_batch(store, tiny_bundle, broker, workers, ask):
    ask(broker.url, ["urgent"], size=40, to=messages.QUEUE_NOW)
    workers.start("tests.integration.slow_app")
    workers.until(lambda: slices(workers))
    assert queue.health(broker.url, tiny_bundle.model_version) == tiny_bundle.model_version
    assert not progress.of_batches(store, ["urgent"])["urgent"][1]


@pytest.mark.parametrize("folder", ["attempts", "explanations"])
def test_while_the_store_fails_nothing_leaves_the_queue_and_no_attempt_counts(
    store, tiny_bundle, broker, workers, ask, folder
):
    """A file in the place of a folder: what is to be written there is refused, to root too."""
    (store.root / "attempts").mkdir()
    (store.root / folder).rename(store.root / "away")
    (store.root / folder).touch()
    ask(broker.url, ["a", "b"])
    workers.start()
    workers.until(lambda: "the store fails" in workers.log.read_text())
    time.sleep(8)  # two more tries
    assert queue.queued(broker.url, tiny_bundle.model_version) & {"a", "b"}
    (store.root / folder).unlink()
    (store.root / "away").rename(store.root / folder)
    workers.until(lambda: explained_once(store, 2 * SIZE))
    workers.until(lambda: "the store works again" in workers.log.read_text())
    assert store.part_names("explanations") == ["a", "b"], "each at its first attempt"
    assert store.scan("failures").collect().is_empty()
    log = workers.log.read_text()
    assert (log.count("the store fails"), "Traceback" in log) == (1, False), log


def test_a_model_replaced_under_a_worker_loses_no_request_and_is_served_after_a_restart(
    store, tiny_bundle, tiny_texts, broker, workers, ask, tmp_path
):
    served = tmp_path / "served"
    shutil.copytree(tiny_bundle.layout.root, served)
    workers.environment["CAMEMBIAS_MODEL"] = str(served)
    workers.start()
    ask(broker.url, ["a"])
    workers.until(lambda: store.has_part("explanations", "a"))
    served.rename(tmp_path / "old")
    other = build_tiny(served, tiny_texts[:200])
    assert other.model_version != tiny_bundle.model_version
    workers.kill_child()
    ask(broker.url, ["b", "c"])
    new = request(store, other, "d", tiny_texts[:SIZE])
    queue.send(broker.url, [new], messages.QUEUE_SAMPLE)
    assert workers.process.wait(120) is not None
    assert queue.queued(broker.url, tiny_bundle.model_version) == {"b", "c"}
    assert f"the model is {other.model_version} now" in workers.log.read_text()
    workers.start()
    workers.until(lambda: store.has_part("explanations", "d"))


def test_terminated_in_a_batch_it_ends_within_seconds_and_nothing_waits_for_a_timeout(
    store, tiny_bundle, broker, workers, ask
):
    ask(broker.url, ["a", "b", "c"], size=16)
    workers.start()
    workers.until(lambda: "a" in attempts.begun(store))
    workers.process.terminate()
    assert workers.process.wait(20) is not None
    done = {name for name in "abc" if store.has_part("explanations", name)}
    assert queue.queued(broker.url, tiny_bundle.model_version) >= set("abc") - done


@pytest.mark.parametrize(
    ("variable", "expected"), [("CAMEMBIAS_MODEL", "camembias train"), ("CAMEMBIAS_STORE", "camembias classify")]
)
def test_a_worker_without_its_model_or_store_says_so_and_ends(workers, tmp_path, variable, expected):
    workers.environment[variable] = str(tmp_path / "nowhere")
    workers.start()
    assert workers.process.wait(60) != 0
    assert re.search(f"Error: no .*{expected}", workers.log.read_text())


@pytest.mark.parametrize("address", ["redis://127.0.0.1:1/0", "redis://:secret@127.0.0.1:1/0"])
def test_a_broker_that_does_not_answer_is_one_line_within_five_seconds(address):
    started = time.monotonic()
    with pytest.raises(BrokerError, match="CAMEMBIAS_BROKER_URL") as caught:
        queue.send(address, [messages.ExplainRequest("b", "v")], messages.QUEUE_NOW)
    assert time.monotonic() - started < 5
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", ["", ":wrong@"])
def test_a_wrong_password_is_told_from_a_dead_broker(broker, given):
    broker.demand("geheim")
    queue.check(f"redis://:geheim@127.0.0.1:{broker.port}/0")
    with pytest.raises(BrokerError, match="refuses the password") as caught:
        queue.check(f"redis://{given}127.0.0.1:{broker.port}/0")
    assert "wrong" not in str(caught.value)


def test_a_worker_that_is_not_there_fails_the_health_check(broker, tiny_bundle):
    with pytest.raises(BrokerError, match="no worker with model"):
        queue.health(broker.url, tiny_bundle.model_version, timeout=1)


def test_importing_the_app_imports_no_torch():
    code = "import sys, explain_worker.app; print([m for m in ('torch', 'captum', 'transformers') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_pool_of_a_worker_knows_the_memory_limit(workers):
    code = (
        "from celery.apps.worker import Worker; from explain_worker import app; "
        "made = Worker(app=app.app, pool='prefork', concurrency=1, quiet=True); "
        "print(made.pool.options['max_memory_per_child'] == app.memory_limit_kib() > 0)"
    )
    asked = [sys.executable, "-c", code]
    found = subprocess.run(asked, cwd=ROOT, env=workers.environment, capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "True", found.stderr


def camembias(*arguments, environment):
    command = [sys.executable, "-c", "from camembias.cli import main; main()", *map(str, arguments)]
    settings = {**environment, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=settings, cwd=ROOT, check=False)


def test_explain_on_demand_through_a_broker_that_goes_away_and_comes_back_empty(store, broker, workers, tmp_path):
    text = "L'avion, \x1b[2Jnon : <script>le train</script>"
    environment = workers.environment
    asked = subprocess.Popen(
        [sys.executable, "-c", "from camembias.cli import main; main()", "explain", "--text", text, "--wait"],
        stdout=subprocess.PIPE, text=True, env={**environment, "COLUMNS": "200"}, cwd=ROOT,
    )  # fmt: skip
    workers.until(lambda: store.part_names("requests"))
    time.sleep(3)  # it is in the queue, and nobody there to take it
    broker.kill()
    (broker.folder / "appendonlydir").rename(broker.folder / "lost")
    broker.start()
    workers.start()
    page, _ = asked.communicate(timeout=180)
    assert asked.returncode == 0
    assert re.search(r"\w+\([+-]\d\.\d\d\)", page)  # a word with its score
    assert "\x1b" not in page
    again = camembias("explain", "--text", text, "--wait", "--html", tmp_path / "p.html", environment=environment)
    assert again.returncode == 0, again.stderr
    assert "<script" not in (tmp_path / "p.html").read_text(encoding="utf-8")
    status = json.loads(camembias("status", "--json", environment=environment).stdout)
    [row] = status["explanations"]
    assert (row["requested_by"], row["requested"], row["explained"], row["waiting"]) == ("text", 4, 4, 0)
    assert camembias("worker", "--health", environment=environment).returncode == 0
    workers.kill()
    dead = camembias("worker", "--health", "--timeout-s", 1, environment=environment)
    assert (dead.returncode, len(dead.stderr.strip().splitlines())) == (2, 1)
