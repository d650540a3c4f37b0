"""Numbers that no command can use."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = (sys.executable, "-c", "from camembias.cli import main; main()")


@pytest.mark.parametrize("number", ["inf", "1e309", "nan", "-5"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("compact",), "--keep-minutes"),
        (("train", "none.csv", "--out", "none"), "--epochs"),
        (("train", "none.csv", "--out", "none"), "--learning-rate"),
        (("explain", "--resume", "--wait"), "--timeout-s"),
    ],
)
def test_what_is_no_length_is_one_line(tmp_path, command, option, number):
    refused(tmp_path, option, *command, option, number)


@pytest.mark.parametrize("seconds", ["-5", "0"])  # redis would wait for ever at 0
def test_a_worker_is_given_some_time_to_answer(tmp_path, seconds):
    refused(tmp_path, "--timeout-s", "worker", "--health", "--timeout-s", seconds)


def test_none_is_asked_to_wait_no_time(tmp_path):
    refused(tmp_path, "--timeout-s", "explain", "--resume", "--wait", "--timeout-s", "0")


def refused(folder, option, *arguments):
    done = subprocess.run([*CODE, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"camembias: Invalid value for '{option}'")
    assert done.stderr.count("\n") == 1
