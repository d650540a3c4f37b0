"""The compose file, in a real Docker engine: a worker of the stack explains what the command line queued."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from camembias import synthetic

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]
PASSWORD = "motdepasse42"


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
        }

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker-compose", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, (arguments, done.stdout[-3000:], done.stderr[-3000:])
        return done

    def camembias(self, *arguments: str) -> str:
        return self.compose("run", "--rm", "-T", "cli", "camembias", *arguments).stdout


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if reason := engine():
        pytest.skip(reason)
    inbox = tmp_path_factory.mktemp("inbox")
    synthetic.tweets(400, seed=1).write_csv(inbox / "labelled.csv")
    synthetic.tweets(300, seed=2, planted=False).drop("label").write_csv(inbox / "stream.csv")
    for path in (inbox, *inbox.iterdir()):
        path.chmod(0o755)
    stack = Stack(inbox)
    stack.compose("build", "cli")
    yield stack
    stack.compose("down", "-v", "--remove-orphans", check=False)


def test_the_worker_of_the_stack_explains_what_the_command_line_queued(stack):
    small = ("--base-model", "tiny", "--epochs", "2")
    stack.camembias("train", "/data/inbox/labelled.csv", "--out", "/data/models/default", *small)
    stack.camembias("export", "/data/models/default")
    found = json.loads(stack.camembias("classify", "/data/models/default", "/data/inbox/stream.csv", "--json"))
    assert found["classified"] == 300
    stack.compose("up", "-d", "redis", "explain-worker")
    text = "Franchement, le nucléaire ne remplacera pas le train."
    asked = json.loads(stack.camembias("explain", "--text", text, "--wait", "--json"))
    assert asked["failed"] == 0
    log = stack.compose("logs", "--no-color", "explain-worker").stdout
    line = next(line for line in log.splitlines() if "camembias.explain" in line and "succeeded" in line)
    print(line)
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
