"""Lines typed at a terminal: each for the question asked last, none for one that is over."""

import io
import os
import sys
import threading
import time

import pytest

from fabctl.cli.typed import forget_typed, line_typed


@pytest.fixture
def typing(monkeypatch):
    """A terminal as standard input, and what types there."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a POSIX thing")
    master, slave = pty.openpty()
    with os.fdopen(slave, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda text: os.write(master, text.encode())
    os.close(master)


class Waiting:
    """Somebody who waits for a line in a thread of his own."""

    def __init__(self, question, given_up=lambda: False):
        self.lines = []
        self.thread = threading.Thread(target=lambda: self.lines.append(line_typed(question, given_up)))
        self.thread.start()

    def line(self):
        self.thread.join(10)
        return self.lines[0]


def shown(capsys, said, words, count=1):
    until_s = time.monotonic() + 10
    while said[0].count(words) < count:
        said[0] += capsys.readouterr().err
        assert time.monotonic() < until_s, said
        time.sleep(0.01)


def test_a_line_is_for_the_question_asked_last_and_the_one_before_is_asked_again(typing, capsys):
    said = [""]
    first = Waiting("go on? ")
    shown(capsys, said, "go on? ")
    second = Waiting("held? ")
    shown(capsys, said, "held? ")
    # as long as a person takes at least
    time.sleep(0.2)
    typing("yes\n")
    assert second.line() == "yes\n"
    shown(capsys, said, "go on? ", 2)
    typing("2\n")
    assert first.line() == "2\n"


def test_a_question_that_is_over_takes_nothing_of_what_is_typed_for_the_next(typing, capsys):
    said, over = [""], threading.Event()
    first = Waiting("section 2? ", over.is_set)
    shown(capsys, said, "section 2? ")
    over.set()
    assert first.line() is None
    second = Waiting("section 3? ")
    shown(capsys, said, "section 3? ")
    typing("3\n")
    assert second.line() == "3\n"


def test_what_was_typed_before_is_forgotten(typing, capsys):
    said = [""]
    typing("2\n")
    time.sleep(0.1)
    forget_typed()
    asked = Waiting("section 2? ")
    shown(capsys, said, "section 2? ")
    typing("3\n")
    assert asked.line() == "3\n"


def test_the_end_of_input_is_an_empty_line(typing):
    typing("\x04")
    assert line_typed() == ""


def test_without_a_terminal_it_is_the_next_line_of_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\nb"))
    assert [line_typed("asked of nobody"), line_typed(), line_typed()] == ["a\n", "b", ""]
