"""The compose file, in a real Docker engine: a worker of the stack explains what the command line queued."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from camembias import synthetic

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
PASSWORD, REPORT_PORT = "motdepasse42", 18080
VISIBILITY_S = 120  # until a killed worker's batch is delivered again
FLOWER, FLOWER_AUTH = "http://127.0.0.1:5555", "veilleur:motdepasse43"


def engine() -> str | None:
    """Why the stack cannot be run here, or None."""
    if shutil.which("docker-compose") is None:
        return "docker-compose is not installed"
    done = subprocess.run(["docker", "info"], capture_output=True, check=False) if shutil.which("docker") else None
    return None if done is not None and done.returncode == 0 else "no Docker engine answers"


class Stack:
    def __init__(self, inbox: Path) -> None:
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": "camembias-test",
            "CAMEMBIAS_REDIS_PASSWORD": PASSWORD,
            "CAMEMBIAS_INBOX": str(inbox),
            "CAMEMBIAS_REPORT_PORT": str(REPORT_PORT),
            "CAMEMBIAS_FLOWER_AUTH": FLOWER_AUTH,
            "CAMEMBIAS_SCHEDULE_SAMPLE": "20s",
            "CAMEMBIAS_SCHEDULE_REFRESH": "10s",
            "CAMEMBIAS_SCHEDULE_REPORT": "20s",
            "CAMEMBIAS_SCHEDULE_COMPACT": "off",
            "CAMEMBIAS_VISIBILITY_TIMEOUT": str(VISIBILITY_S),
        }

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker-compose", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, (arguments, done.stdout[-3000:], done.stderr[-3000:])
        return done

    def camembias(self, *arguments: str) -> str:
        return self.compose("run", "--rm", "-T", "cli", "camembias", *arguments).stdout

    def ask(self, statement: str) -> int:
        rows = json.loads(self.camembias("sql", statement, "--format", "json"))
        return int(next(iter(rows[0].values())))

    def until(self, what: str, found: Callable[[], bool], seconds: float) -> float:
        """Seconds until it is so."""
        began = time.monotonic()
        while not found():
            logs = (
                self.compose("logs", "--no-color", "--tail", "30").stdout[-6000:]
                if time.monotonic() - began > seconds
                else ""
            )
            assert not logs, (what, logs)
            time.sleep(3)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("inbox")
    made.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def stack(inbox: Path) -> Iterator[Stack]:
    if reason := engine():
        pytest.skip(reason)
    stack = Stack(inbox)
    stack.compose("build", "cli")
    yield stack
    stack.compose("down", "-v", "--remove-orphans", check=False)


def report() -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{REPORT_PORT}/index.html", timeout=5) as answer:
            return answer.read().decode("utf-8")
    except OSError:
        return ""


def test_up_on_a_fresh_clone_ends_with_a_report(stack):
    began = time.monotonic()
    stack.compose("up", "-d")  # trains the demo's model first
    up = time.monotonic() - began
    waited = stack.until("a report", lambda: "<html" in report(), 300)
    assert f"http://127.0.0.1:{REPORT_PORT}\n" in stack.compose("logs", "--no-color", "report").stdout
    print(f"first start {up:.0f} s, the report after {waited:.0f} s more")
    size = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{.Size}}", "camembias:0.1.0"], capture_output=True, text=True, check=True
    )
    print(f"image: {int(size.stdout) / 1e9:.2f} GB")


def test_what_arrives_is_classified_and_a_sample_explained(stack, inbox):
    """`beat` asks for the sample, the worker explains it; nobody here queues anything."""
    synthetic.tweets(300, seed=3, planted=False).drop("label").write_csv(inbox / "late.part")
    (inbox / "late.part").rename(inbox / "late.csv")
    where = "FROM current_predictions WHERE starts_with(tweet_id, '100000003')"
    stack.until("predictions", lambda: stack.ask(f"SELECT count(*) {where}") == 300, 120)
    waited = stack.until("explanations", lambda: stack.ask("SELECT count(*) FROM explanations") > 0, 300)
    print(f"explained after {waited:.0f} s")


def test_the_worker_of_the_stack_explains_what_the_command_line_queued(stack):
    text = "Franchement, le nucléaire ne remplacera pas le train."
    asked = json.loads(stack.camembias("explain", "--text", text, "--wait", "--json"))
    assert asked["failed"] == 0
    log = stack.compose("logs", "--no-color", "explain-worker").stdout
    line = next(line for line in log.splitlines() if "camembias.explain" in line and "succeeded" in line)
    print(line)


def test_a_killed_worker_and_a_restarted_queue_lose_and_double_nothing(stack):
    key = "tweet_id, model_version, method, baseline"
    left = f"SELECT count(*) FROM requests ANTI JOIN explanations USING ({key})"
    # first the nightly sample: while that lasts, its next run queues again what the killed worker held of it
    stack.until("the nightly sample explained", lambda: stack.ask(left) == 0, 300)
    asked = json.loads(stack.camembias("explain", "--sample", "500", "--json"))
    assert asked["tweets"] > 50  # beyond what the nightly sample, which shares its random numbers, has asked
    begun = ("exec", "-T", "batch", "ls", "/data/stores/default/attempts")
    stack.until("a batch in the worker's hands", lambda: stack.compose(*begun).stdout != "", 60)
    stack.compose("kill", "-s", "KILL", "explain-worker")
    stack.compose("restart", "redis")
    stack.compose("up", "-d", "explain-worker")
    waited = stack.until("no request without an explanation", lambda: stack.ask(left) == 0, 400)
    rows = f"SELECT 1 FROM explanations_parts GROUP BY {key}, target HAVING count(*) > 1"
    doubled = stack.ask(f"SELECT count(*) FROM ({rows})")
    failed = stack.ask("SELECT count(*) FROM failures")
    print(f"after the kills: 0 lost, {doubled} doubled, {failed} failed; all explained after {waited:.0f} s")
    assert (doubled, failed) == (0, 0)


def flower(path: str, auth: str = "") -> tuple[int, str]:
    """Status and body; 0 where nothing answers."""
    sent = {"Authorization": "Basic " + base64.b64encode(auth.encode()).decode()} if auth else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(FLOWER + path, headers=sent), timeout=20) as answer:
            return answer.status, answer.read().decode("utf-8")
    except urllib.error.HTTPError as refusal:
        return refusal.code, ""
    except OSError:
        return 0, ""


def test_the_monitor_shows_the_worker_to_who_has_its_password(stack):
    stack.compose("--profile", "monitor", "up", "-d", "flower")
    waited = stack.until("Flower", lambda: flower("/", FLOWER_AUTH)[0] == 200, 120)
    workers = stack.until("a worker", lambda: "explain" in flower("/api/workers?refresh=1", FLOWER_AUTH)[1], 120)
    print(f"Flower answers after {waited:.0f} s and shows the worker after {workers:.0f} s more")
    for path in ("/", "/api/workers", "/api/tasks"):
        assert flower(path)[0] == 401, path
        assert flower(path, "veilleur:faux")[0] == 401, path
    stack.compose("stop", "flower")


def test_the_monitor_does_not_start_without_a_password(stack):
    command = ["docker-compose", "--profile", "monitor", "run", "--rm", "-T", "flower"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**stack.environment, "CAMEMBIAS_FLOWER_AUTH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert "CAMEMBIAS_FLOWER_AUTH" in done.stdout + done.stderr


def test_the_worker_stops_in_good_order(stack):
    began = time.monotonic()
    stack.compose("stop", "explain-worker")
    assert time.monotonic() - began < 60  # a soft shutdown, not a kill after the grace period


def test_a_queue_without_its_password_refuses(stack):
    stack.compose("up", "-d", "redis")
    done = stack.compose("exec", "-T", "-e", "REDISCLI_AUTH=", "redis", "redis-cli", "llen", "explain.now", check=False)
    assert "NOAUTH" in done.stdout + done.stderr


def test_the_containers_give_up_what_they_do_not_need(stack):
    done = stack.compose("run", "--rm", "-T", "cli", "sh", "-c", "id -u; touch /app/x || echo read-only")
    assert done.stdout.split()[0] != "0"
    assert "read-only" in done.stdout


def test_no_password_is_one_clear_line(stack):
    done = subprocess.run(
        ["docker-compose", "config"],
        cwd=ROOT,
        env={**stack.environment, "CAMEMBIAS_REDIS_PASSWORD": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert ".env.example" in done.stderr
