"""A machine that nothing would stop if its sender died: that is said before it moves."""

import os

import pytest

from fabctl.cli.motion import KEPT, demand_consent, progress_bar
from fabctl.shop.machine import load_machine
from fabctl.stream.run import Progress

MACHINE = load_machine("router-3018")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system never guards")
@pytest.mark.parametrize(
    ("port", "said"), [("rfc2217://shop.local:2217", 1), ("/dev/ttyUSB0", 0), ("sim://", 0), (KEPT, 0)]
)
def test_it_is_said_once_and_only_where_it_is_so(capsys, monkeypatch, tmp_path, port, said):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    demand_consent(MACHINE, port, MACHINE.name, {})
    assert capsys.readouterr().err.count("Nothing guards the machine") == said


def test_a_disk_that_is_nearly_full_is_shown_beside_the_progress(capsys):
    now = Progress(5, 5, 5, 5, 10, "Run", None, None, None, 1.0, journal_short=True)
    with progress_bar("stool", 10.0) as screen:
        screen.tell(now)
        screen.note("the disk is nearly full")
    assert "Run, DISK NEARLY FULL" in capsys.readouterr().err
