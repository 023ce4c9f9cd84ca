"""Fixtures every room shares."""

import csv
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("FABCTL_CORPUS", ROOT.parent / "shared" / "corpus"))

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
