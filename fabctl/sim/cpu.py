"""The controller's clock and what its 8-bit CPU costs.

Source of the figures: stock Grbl 1.1h on an ATmega328P at 16 MHz, simulated instruction by instruction.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOCK_HZ = 16_000_000
PARSE_S = 0.3e-3
BLOCK_S = 0.8e-3
CHARACTER_S = 6e-6
WORD_S = 59e-6
DIGIT_S = 22e-6
REPLANNED_S = 29e-6
PREPARE_S = 0.75e-3
TICK_S = 14e-6
_MOST_LOAD = 0.9


@dataclass(slots=True)
class Cpu:
    """Virtual time, and until when the main program cannot run.

    Interrupts (bytes, steps) go on while it is busy; real-time commands wait until it looks.

    Parameters
    ----------
    now_s : float
        Virtual time.
    busy_until_s : float
        The main program runs again from here.
    modelled : bool
        Whether computing takes time; waits that Grbl programs on purpose always do.
    load : float
        Share of the CPU the step interrupt takes.
    deaf : (float, float)
        The last span with interrupts off (EEPROM), in which bytes on the wire are lost.
    slowness : float
        Times longer than on the board whose figures these are.
    """

    now_s: float = 0.0
    busy_until_s: float = 0.0
    modelled: bool = False
    load: float = 0.0
    deaf: tuple[float, float] = (0.0, 0.0)
    slowness: float = 1.0

    def free(self) -> bool:
        """Return whether the main program can run now."""
        return self.now_s >= self.busy_until_s

    def wait(self, seconds: float) -> None:
        """Keep the main program busy for a wait in s it makes on purpose."""
        self.busy_until_s = max(self.now_s, self.busy_until_s) + seconds

    def spend(self, seconds: float) -> None:
        """Keep the main program busy computing, longer while the step interrupt takes its share."""
        if self.modelled:
            self.wait(self.slowness * seconds / (1.0 - min(self.load, _MOST_LOAD)))

    def go_deaf(self, seconds: float) -> None:
        """Write EEPROM for some s: busy, and with interrupts off."""
        if seconds > 0:
            start = max(self.now_s, self.busy_until_s)
            self.wait(seconds)
            if start > self.deaf[1]:
                self.deaf = (start, self.busy_until_s)
            else:
                self.deaf = (self.deaf[0], self.busy_until_s)

    def stepping(self, ticks_per_s: float) -> None:
        """Note the rate of the step interrupt."""
        self.load = ticks_per_s * TICK_S

    def line_cost_s(self, line: str) -> float:
        """Return what reading a line costs in s."""
        words = sum(c.isalpha() for c in line)
        digits = sum(c.isdigit() for c in line)
        return PARSE_S + CHARACTER_S * len(line) + WORD_S * words + DIGIT_S * digits
