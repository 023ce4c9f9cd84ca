"""The shelves as a fresh installation has them, and a person's own folder to write to."""

import pytest


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """The person's own folder: empty, and never the one of whoever runs the tests."""
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("FABCTL_CONFIG", str(folder))
    return folder
