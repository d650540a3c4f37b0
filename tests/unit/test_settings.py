"""Libraries are told not to call home before any of them is loaded, and the user has the last word."""

import os
import subprocess
import sys

NAMES = ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
CODE = f"""
import os, sys
sys.argv = ["camembias", "query"]
from camembias.cli import main
try:
    main()
except SystemExit:
    print([os.environ.get(name) for name in {NAMES}], "huggingface_hub" in sys.modules)
"""


def told(**given: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in NAMES} | given
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_no_telemetry_unless_asked_for():
    assert told() == "['1', '1'] False"
    assert told(DO_NOT_TRACK="0") == "['1', '0'] False"
