"""Fixtures every room shares."""

import atexit
import csv
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("FABCTL_CORPUS", ROOT.parent / "shared" / "corpus"))

# At import, before tests are collected by the names on the shelves: nobody's own machines, runs or locks.
_OWN = Path(tempfile.mkdtemp(prefix="fabctl-tests-"))
atexit.register(shutil.rmtree, _OWN, ignore_errors=True)
os.environ["FABCTL_CONFIG"] = str(_OWN / "config")
os.environ["XDG_DATA_HOME"] = str(_OWN / "data")
os.environ["XDG_STATE_HOME"] = str(_OWN / "state")

settings.register_profile(
    "fabctl",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fabctl")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real designs that nobody in the project drew; FABCTL_CORPUS names another place."""
    if not CORPUS.is_dir():
        pytest.skip("the corpus of real designs is not here (FABCTL_CORPUS)")
    return CORPUS


@pytest.fixture(scope="session")
def corpus_index(corpus) -> dict[str, dict[str, str]]:
    """The corpus' INDEX.csv: independently measured figures by file."""
    with (corpus / "INDEX.csv").open(newline="", encoding="utf-8") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


@pytest.fixture(scope="session")
def bad_index(corpus) -> dict[str, dict[str, str]]:
    """What is wrong with each file under bad/, and what is expected."""
    with (corpus / "bad" / "INDEX.csv").open(newline="", encoding="utf-8") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}
