"""A plain character-counting host for the virtual controller, independent of the project's own sender."""

from dataclasses import dataclass, field

import pytest

from fabctl.sim.controller import Options
from fabctl.sim.port import SimPort

BRISK = {110: 3000, 111: 3000, 112: 3000, 120: 200, 121: 200, 122: 200, 1: 255}
"""Settings of a small machine that does not keep a test waiting."""


@dataclass
class Host:
    """Sends lines, counts characters, keeps what comes back."""

    port: SimPort
    answers: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    rest: bytes = b""

    def listen(self, timeout_s):
        data = self.port.read(timeout_s)
        *whole, self.rest = (self.rest + data).split(b"\n")
        for line in (piece.decode("latin-1").strip() for piece in whole):
            if line == "ok" or line.startswith("error:"):
                self.answers.append(line)
            elif line:
                self.others.append(line)
        return bool(data)

    def stream(self, lines, window=127, quiet_s=60.0):
        """Send all lines, never more than a window of unanswered bytes; return the answers."""
        coded = [(line + "\n").encode("latin-1") for line in lines]
        first, sent, in_flight = len(self.answers), 0, 0
        while len(self.answers) - first < len(coded):
            while sent < len(coded) and in_flight + len(coded[sent]) <= window:
                self.port.write(coded[sent])
                in_flight += len(coded[sent])
                sent += 1
            answered = len(self.answers) - first
            if not self.listen(quiet_s):
                break
            in_flight -= sum(map(len, coded[answered : len(self.answers) - first]))
        return self.answers[first:]

    def ask(self, line, wait_s=2.0):
        """Send a line, listen, and return its answer."""
        self.stream([line], quiet_s=wait_s)
        return self.answers[-1] if self.answers else ""

    def wait(self, seconds):
        """Let time pass."""
        end = self.port.clock_s() + seconds
        while self.port.clock_s() < end:
            self.listen(end - self.port.clock_s())

    def status(self):
        """Return a status report's state and fields."""
        self.others.clear()
        self.port.write(b"?")
        while not any(line.startswith("<") for line in self.others):
            if not self.listen(5.0):
                return "", {}
        state, *parts = [line for line in self.others if line.startswith("<")][-1].strip("<>").split("|")
        return state, dict(part.split(":", 1) for part in parts)

    def until(self, state, within_s=60.0):
        """Poll until a state comes; return the time it took in s."""
        began = self.port.clock_s()
        while self.port.clock_s() < began + within_s:
            if self.status()[0] == state:
                return self.port.clock_s() - began
            self.wait(0.005)
        raise AssertionError(f"{state} never came: {self.status()}")


@pytest.fixture
def connect():
    """Return a function that opens a virtual controller, waits for its banner, and returns the host."""

    def _connect(settings=None, *, wait_s=0.5, **options):
        host = Host(SimPort(BRISK | (settings or {}), Options(**options)))
        host.wait(wait_s)
        return host

    return _connect
