"""Start-up: what the light commands load, and how long they take beside a bare click."""

import statistics
import subprocess
import sys
import time

import pytest

HEAVY = ("numpy", "shapely", "trimesh", "ezdxf", "svgelements", "PIL", "serial", "rich", "pygcode")


LIGHT = [
    ["--help"], ["machines"], ["materials"], ["tools"], ["jobs"], ["runs"], ["status"],
    ["machine", "--help"], ["machine", "show", "router-3018"],
]  # fmt: skip


@pytest.mark.parametrize("argv", LIGHT, ids=" ".join)
def test_light_commands_load_no_heavy_library(argv):
    code = (
        "import sys\n"
        "from fabctl.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        f"print('LOADED', [m for m in {HEAVY} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("LOADED []")


def _seconds(*argv: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *argv], capture_output=True, check=True)
    return time.perf_counter() - begin


@pytest.mark.campaign
@pytest.mark.parametrize("argv", [["--help"], ["machines"]])
def test_light_commands_start_within_two_and_a_half_times_a_bare_click(argv):
    pairs = [(_seconds("-m", "fabctl", *argv), _seconds("-c", "import click")) for _ in range(15)]
    assert statistics.median(ours / theirs for ours, theirs in pairs) <= 2.5
