"""A seeded generator of programs as other software writes them, and a second opinion on what they set."""

import math
import random
import re
from dataclasses import dataclass

from fabctl.sim.gcode import execute_line
from fabctl.sim.port import SimPort
from fabctl.sim.realtime import State

INCH = 25.4
SAFE_MM = 5.0


class Foreign:
    """One program: units, distances, planes, arcs, cycles, offsets, tools, feeds and speeds, all mixed."""

    def __init__(self, seed, features=4):
        self.random = random.Random(seed)
        self.lines = []
        self.at = [0.0, 0.0, 0.0]
        self.inch = self.incremental = self.inverse = False
        self.motion, self.plane, self.shift = None, 17, False
        self.feed_told = False
        self.say(*self.random.sample(["G21", "G90", "G17", "G94", "G54"], 5), comment="any CAM")
        self.say("T1", "M6") if self.flip(0.5) else None
        self.say("M3", f"S{self.random.randint(3000, 9000)}")
        self.rise()
        for _ in range(features):
            self.feature()
        self.rise()
        self.say("M5")
        self.say(self.random.choice(["M2", "M30"]))

    @property
    def text(self):
        return "".join(f"{line}\n" for line in self.lines).encode()

    def flip(self, chance):
        return self.random.random() < chance

    def say(self, *words, comment=""):
        gap = " " if self.flip(0.7) else ""
        line = gap.join(word for word in words if word)
        if self.flip(0.1):
            line = f"N{10 * len(self.lines)}{gap}{line}"
        if comment or self.flip(0.05):
            line += f" ({comment or 'so'})"
        self.lines.append(line)

    def number(self, mm):
        """Write a length in the unit in force; return the text and the length it then has."""
        text = f"{mm / INCH:.5f}" if self.inch else f"{mm:.4f}"
        return text, float(text) * (INCH if self.inch else 1.0)

    def axes(self, x=None, y=None, z=None):
        """Write axis words to a place, absolute or relative, and stand there."""
        words = []
        for axis, want in enumerate((x, y, z)):
            if want is None:
                continue
            text, got = self.number(want - self.at[axis] if self.incremental else want)
            self.at[axis] = self.at[axis] + got if self.incremental else got
            words.append("XYZ"[axis] + text)
        return words

    def go(self, motion, *words, f=False):
        code = [] if motion == self.motion and self.flip(0.7) else [f"G{motion}"]
        self.motion = motion
        if motion and (self.inverse or f or not self.feed_told or self.flip(0.15)):
            self.feed_told = True
            rate = self.random.randint(4, 9) if self.inverse else self.random.randint(100, 400)
            words += (f"F{rate / INCH:.3f}" if self.inch and not self.inverse else f"F{rate}",)
        if self.flip(0.05):
            words += (f"S{self.random.randint(3000, 9000)}",)
        self.say(*code, *words)

    def rise(self):
        self.go(0, *self.axes(z=SAFE_MM))

    def modes(self):
        """Change what may be changed anywhere."""
        pick = self.random.random()
        if pick < 0.2:
            self.inch = not self.inch
            self.say("G20" if self.inch else "G21")
        elif pick < 0.45:
            self.incremental = not self.incremental
            self.say("G91" if self.incremental else "G90")
        elif pick < 0.6:
            self.plane = self.random.choice((17, 18, 19))
            self.say(f"G{self.plane}")
        elif pick < 0.7:
            self.inverse = not self.inverse
            self.feed_told = False
            self.say("G93" if self.inverse else "G94")
        elif pick < 0.8:
            self.say(f"G{self.random.randint(54, 59)}")
        elif pick < 0.9:
            self.say(self.random.choice(["M8", "M9", "M7"]))
        else:
            self.say(f"S{self.random.randint(3000, 9000)}", f"F{self.random.randint(100, 300)}")
            self.feed_told = not self.inverse

    def feature(self):
        if self.flip(0.25):
            self.stop()
        if self.flip(0.2):
            self.machine_place()
        if self.flip(0.3) and not self.incremental and not self.inverse:
            self.holes()
            return
        self.go(0, *self.axes(x=self.random.uniform(5, 90), y=self.random.uniform(5, 90)))
        self.go(1, *self.axes(z=-self.random.uniform(0.2, 2)), f=True)
        for _ in range(self.random.randint(2, 9)):
            if self.flip(0.25):
                self.modes()
            self.arc() if self.flip(0.4) else self.chord()
        if self.flip(0.2):
            self.say("G4", "P0.05")
        self.rise()

    def stop(self):
        """Stop for a tool or for a person; what a machine forgets then is said anew."""
        tool = self.random.randint(2, 9)
        self.rise()
        self.say("M5")
        if self.flip(0.6):
            self.say(f"T{tool}")
            self.say("M6")
        else:
            self.say("M0")
        self.say("M3", f"S{self.random.randint(3000, 9000)}")
        if self.incremental:
            self.incremental = False
            self.say("G90")
        self.go(0, *self.axes(x=self.random.uniform(5, 90), y=self.random.uniform(5, 90)))
        self.go(0, *self.axes(z=SAFE_MM))

    def machine_place(self):
        """Go by G28 or G53 to a place of the machine, and name all axes afterwards."""
        if self.incremental:
            self.incremental = False
            self.say("G90")
        if self.motion is None:  # Grbl takes no axis words at all after G80
            self.rise()
        if self.flip(0.5):
            self.say("G28", "Z" + self.number(SAFE_MM)[0])
        else:
            self.say("G53", "G0", "Z" + self.number(SAFE_MM)[0])
            self.motion = 0
        self.go(0, *self.axes(x=self.random.uniform(5, 90), y=self.random.uniform(5, 90)))
        self.rise()

    def chord(self):
        x, y, z = (at + self.random.uniform(-4, 4) for at in self.at)
        words = self.axes(*self.random.choice(((x, y, None), (x, None, None), (None, y, min(z, -0.1)))))
        self.go(1, *words)

    def arc(self):
        a, b = {17: (0, 1), 18: (2, 0), 19: (1, 2)}[self.plane]
        radius, begin = self.random.uniform(0.6, 3), self.random.uniform(0, 2 * math.pi)
        clockwise = self.flip(0.5)
        turn = self.random.uniform(0.4, 2.8) * (-1 if clockwise else 1)
        centre = [self.at[a] - radius * math.cos(begin), self.at[b] - radius * math.sin(begin)]
        end = [None, None, None]
        end[a] = centre[0] + radius * math.cos(begin + turn)
        end[b] = centre[1] + radius * math.sin(begin + turn)
        offsets = [
            "IJK"[axis] + self.number(c - self.at[axis])[0] for axis, c in zip((a, b), centre, strict=True)
        ]
        if self.flip(0.3):
            offsets = ["R" + self.number(radius)[0]]
        self.go(2 if clockwise else 3, *self.axes(*end), *offsets)

    def holes(self):
        """Drill a few holes by a cycle, from above, and say G80."""
        cycle = self.random.choice((81, 82, 83))
        level = self.random.choice((98, 99))
        if self.plane != 17:
            self.plane = 17
            self.say("G17")
        rate = self.random.randint(60, 200)
        words = [f"G{cycle}", f"G{level}", *self.axes(x=self.random.uniform(5, 90), y=20.0)]
        words += ["Z" + self.number(-self.random.uniform(0.5, 3))[0]]
        text, clear = self.number(2.0)
        words += ["R" + text, f"F{rate / INCH:.3f}" if self.inch else f"F{rate}"]
        words += {81: [], 82: ["P0.1"], 83: ["Q" + self.number(0.7)[0]]}[cycle]
        self.say(*words)
        self.feed_told = True
        for _ in range(self.random.randint(0, 3)):
            self.say(*self.axes(x=self.random.uniform(5, 90)))
        self.at[2] = max(self.at[2], clear) if level == 98 else clear
        self.say("G80")
        self.motion = None


@dataclass
class Heard:
    """What the second opinion holds to be in force; the same fields a `ModalState` has."""

    motion: str
    modes: tuple
    head: str
    coolant: int
    feed: float
    speed: float
    tool: int
    position: tuple


class SecondOpinion:
    """The virtual controller's own parser and executor, in check mode, a line at a time.

    Drilling cycles and tool changes, which Grbl does not know, are followed here.
    """

    def __init__(self):
        port = SimPort()
        port.read(2.0)
        self.board = port.controller.board
        self.board.build.mist = True
        self.board.rt.state = State.CHECK
        self.cycle, self.ready, self.tool = None, 0, 0
        self.level, self.old_z = 98, 0.0

    def take(self, line):
        """Carry out one line; return its error code."""
        text = re.sub(r"\([^)]*\)|\s|N\d+", "", line).upper()
        if found := re.findall(r"T(\d+)", text):
            self.ready = int(found[-1])
        if re.search(r"M0*6(?!\d)", text):
            self.tool = self.ready
        text = re.sub(r"T\d+|M0*[06](?!\d)", "", text)
        text = self._drill(text)
        return self._run(text) if text else 0

    def _run(self, text):
        steps = execute_line(self.board, text)
        for _ in range(1000):
            try:
                next(steps)
            except StopIteration as end:
                return end.value
        raise AssertionError(f"{text} waits for ever in check mode")

    def _drill(self, text):
        """Follow a cycle: where its last hole leaves the tool; give back what Grbl understands."""
        gc = self.board.gc
        if found := re.search(r"G(8[123])", text):
            if self.cycle is None:
                self.old_z = gc.position[2]
            self.cycle = int(found[1])
        elif re.search(r"G(0|1|2|3|80)(?!\d)", text):
            self.cycle = None
        if found := re.search(r"G(98|99)", text):
            self.level = int(found[1])
            text = text.replace(found[0], "")
        if self.cycle is None or not re.search(r"[XYZ]", text):
            return text
        scale = INCH if gc.modal.inches else 1.0
        values = {word: float(number) for word, number in re.findall(r"([XYZRQP])(-?[\d.]+)", text)}
        for axis, letter in enumerate("XY"):
            if letter in values:
                gc.position[axis] = values[letter] * scale
        if "R" in values:
            self.clear = values["R"] * scale
        gc.position[2] = max(self.old_z, self.clear) if self.level == 98 else self.clear
        return re.sub(r"G8[123]|[XYZRQP]-?[\d.]+", "", text)

    @property
    def heard(self):
        """What is in force now."""
        gc = self.board.gc
        modal = gc.modal
        words = (
            "G20" if modal.inches else "G21",
            "G91" if modal.incremental else "G90",
            f"G{17 + modal.plane}",
            "G93" if modal.feed_inverse else "G94",
            f"G{54 + modal.wcs}",
        )
        return Heard(
            motion=f"G{self.cycle or modal.motion}",
            modes=words,
            head=f"M{modal.spindle}",
            coolant=2 * modal.flood + modal.mist,
            feed=0.0 if modal.feed_inverse else gc.feed_mm_min,  # an inverse time holds for its line alone
            speed=gc.speed,
            tool=self.tool,
            position=tuple(gc.position),
        )
