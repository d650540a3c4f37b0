"""Set before any library works: none calls home, malloc keeps few arenas. The user has the last word."""

import ctypes
import os
import subprocess
import sys

import pytest

from camembias.settings import cpu_count

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


ARENAS = """
import ctypes, os, threading
from camembias.settings import tune_malloc
tune_malloc()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.fdopen.restype = ctypes.c_void_p, ctypes.c_void_p
libc.malloc_info.argtypes, libc.fflush.argtypes = (ctypes.c_int, ctypes.c_void_p), (ctypes.c_void_p,)
all_here = threading.Barrier(40)
def hold():
    libc.malloc(1000)
    all_here.wait()
threads = [threading.Thread(target=hold) for _ in range(40)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = libc.fdopen(os.dup(1), b"w")
libc.malloc_info(0, out)
libc.fflush(out)
"""


def arenas(**given: str) -> int:
    environment = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"} | given
    done = subprocess.run([sys.executable, "-c", ARENAS], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
def test_threads_share_malloc_arenas_unless_asked_otherwise():
    assert arenas() <= max(2, cpu_count())
    assert arenas(MALLOC_ARENA_MAX="30") == 30


FAULTS = """
import ctypes, resource
from camembias.settings import tune_malloc
tune_malloc()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_size_t,), (ctypes.c_void_p,)
for number in range(20):
    activation = libc.malloc(8 << 20)
    ctypes.memset(activation, 1, 8 << 20)
    libc.free(activation)
    if not number:
        first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first)
"""


def faults(**given: str) -> int:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | given
    done = subprocess.run([sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
def test_freed_megabytes_are_used_again_unless_asked_otherwise():
    pages = (8 << 20) // os.sysconf("SC_PAGESIZE")
    assert faults() < pages
    assert faults(MALLOC_MMAP_THRESHOLD_="131072") > 10 * pages
