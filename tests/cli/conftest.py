"""A command line in this process: argv in; exit code, stdout and stderr out."""

from dataclasses import dataclass

import pytest

from fabctl.cli.main import main


@dataclass
class Said:
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def fabctl(capsys, monkeypatch, tmp_path):
    """Run fabctl with a configuration and a place for runs of its own."""
    monkeypatch.setenv("FABCTL_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*argv: object) -> Said:
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in argv])
        told = capsys.readouterr()
        return Said(int(end.value.code or 0), told.out, told.err)

    return call


SQUARE = """<svg xmlns="http://www.w3.org/2000/svg" width="80mm" height="60mm" viewBox="0 0 80 60">
<path id="part" d="M10 10H70V50H10Z" stroke="#000" fill="none"/>
<circle id="hole" cx="40" cy="30" r="10" stroke="#000" fill="none"/></svg>"""


@pytest.fixture
def square(tmp_path):
    """A 60 × 40 mm part with a 20 mm hole."""
    path = tmp_path / "square.svg"
    path.write_text(SQUARE, encoding="utf-8")
    return path
