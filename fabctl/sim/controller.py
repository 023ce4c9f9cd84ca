"""The virtual controller: the board, its clock, and the loop that turns events into time.

Nothing happens between events, so an hour of machining is as many events as there are segments and bytes
worth a look: ends of segments, whole lines, real-time bytes, ends of waits.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fabctl.sim.board import PAUSE, Board, Build, Program
from fabctl.sim.cpu import Cpu
from fabctl.sim.firmware import main
from fabctl.sim.outputs import Outputs
from fabctl.sim.parser import ParserState
from fabctl.sim.planner import Planner
from fabctl.sim.plant import Plant, Wiring
from fabctl.sim.profile import SegmentMaker
from fabctl.sim.protocol import kill
from fabctl.sim.realtime import (
    DOOR,
    FEED_STEPS,
    FLOOD_TOGGLE,
    HOLD,
    JOG_CANCEL,
    MIST_TOGGLE,
    RAPID_LEVELS,
    RESET,
    SPINDLE_STEPS,
    SPINDLE_STOP,
    START,
    STATUS,
    Exec,
    Realtime,
    State,
)
from fabctl.sim.settings import Settings, Triple
from fabctl.sim.stepper import Stepper
from fabctl.sim.trace import Trace
from fabctl.sim.wire import BYTE_S, Receiver, Transmitter

_EXEC_BYTES = {STATUS: Exec.STATUS, START: Exec.START, HOLD: Exec.HOLD, DOOR: Exec.DOOR}
_MOTION_BYTES = frozenset(FEED_STEPS) | frozenset(RAPID_LEVELS)
_ACCESSORY_BYTES = frozenset(SPINDLE_STEPS) | {SPINDLE_STOP, FLOOD_TOGGLE, MIST_TOGGLE}


@dataclass(slots=True, frozen=True)
class Options:
    """How the virtual controller differs from an ideal one on an ideal wire.

    Parameters
    ----------
    cpu_model : bool
        Computing takes the time it takes an 8-bit board; otherwise none.
    latency_s : float
        Interval at which a USB adapter hands bytes to the host (1 and 16 ms are common), in s.
    delay_s : float
        Plain delay of the link each way, in s.
    baud : int
        Bits per second; a byte takes ten.
    start_mm : tuple of 3 float, optional
        True machine position at power-on. By default 0, or the pull-off corner when `homed`, or the
        middle of the travel when there are limit switches.
    homed : bool
        The controller has been homed before: it knows its position and is not locked.
    wiring : Wiring, optional
        Switches and probe; by default limit switches when $21 or $22 is on, and a plate at `plate_mm`.
    plate_mm : float, optional
        True machine Z, mm, of a plate all over the bed that closes the probe's circuit; none by default.
    build : Build
        What the firmware was compiled with.
    blank_eeprom : bool
        A board straight from the factory.
    """

    cpu_model: bool = False
    latency_s: float = 0.0
    delay_s: float = 0.0
    baud: int = 115_200
    start_mm: Triple | None = None
    homed: bool = False
    wiring: Wiring | None = None
    plate_mm: float | None = None
    build: Build = field(default_factory=Build)
    blank_eeprom: bool = False


class Controller:
    r"""A Grbl 1.1h in software, in virtual time.

    Parameters
    ----------
    settings : mapping of int to float, optional
        ``$``-numbers to values; the rest is Grbl's generic build.
    options : Options
        See there.

    Examples
    --------
    >>> c = Controller({110: 6000, 120: 1000})
    >>> c.receive(b"G21 G91 G1 X10 F6000\n")
    >>> c.advance(2.0)
    >>> c.trace.xyz_mm[-1].tolist()
    [10.0, 0.0, 0.0]
    """

    def __init__(self, settings: Mapping[int, float] | None = None, options: Options | None = None) -> None:
        options = options or Options()
        self.options = options
        kept = Settings(settings, blank=options.blank_eeprom)
        byte_s = BYTE_S * 115_200 / options.baud
        cpu, rt = Cpu(modelled=options.cpu_model), Realtime()
        start = options.start_mm or _default_start(kept, options)
        wiring = options.wiring or Wiring(bool(kept[21] or kept[22]), probe_z_mm=options.plate_mm)
        trace, plant = Trace(start), Plant(kept, wiring, start)
        outputs = Outputs(kept, rt, trace, cpu)
        planner = Planner(kept, lambda: rt.overrides)
        maker = SegmentMaker(kept, rt, planner, outputs)
        planner.on_tail_change = maker.replan
        stepper = Stepper(maker, plant, trace, cpu)
        if options.homed or not wiring.switches:
            stepper.position = list(plant.steps)
        receiver = Receiver(cpu, self._on_realtime, byte_s)
        transmitter = Transmitter(cpu, byte_s, options.latency_s, options.delay_s)
        self.board = Board(
            cpu,
            kept,
            rt,
            ParserState(),
            planner,
            stepper,
            outputs,
            plant,
            trace,
            receiver,
            transmitter,
            options.build,
        )
        self.frozen = False
        self.spoil: Callable[[bytes], bytes] | None = None
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._entries = itertools.count()
        self._program: Program = main(self.board)
        self._wait = PAUSE
        self._begin()

    def _begin(self) -> None:
        self._wait = next(self._program)
        if self.options.homed:
            self.board.rt.state = State.IDLE

    @property
    def trace(self) -> Trace:
        """The true path of the tool."""
        return self.board.trace

    @property
    def clock_s(self) -> float:
        """Virtual time in s."""
        return self.board.cpu.now_s

    @property
    def state(self) -> State:
        """The firmware's state."""
        return self.board.rt.state

    def receive(self, data: bytes) -> None:
        """Put bytes from the host on the wire now."""
        if self.spoil is not None:
            data = self.spoil(data)
        self.board.receiver.send(data, self.board.cpu.now_s + self.options.delay_s)

    def at(self, time_s: float, act: Callable[[], None]) -> None:
        """Let something happen at the machine at a virtual time in s, or now when that is past."""
        heapq.heappush(self._agenda, (time_s, next(self._entries), act))

    def power_cycle(self, boot_s: float = 0.0) -> None:
        """Cut the power and give it back, as opening a port with DTR does: the position is forgotten.

        Parameters
        ----------
        boot_s : float
            How long it hears and says nothing, in s.
        """
        board = self.board
        board.outputs.kill()
        board.rt.state = State.IDLE
        board.rt.exec = board.rt.alarm = 0
        board.stepper.reset()
        board.stepper.position = [0, 0, 0]
        board.trace.note(board.cpu.now_s, "power")
        board.cpu.busy_until_s = board.cpu.now_s + boot_s
        board.receiver.off_until_s = board.cpu.now_s + boot_s
        self._program = main(board)
        self._wait = next(self._program)

    def advance(self, until_s: float, *, to_output: bool = False) -> None:
        """Let virtual time pass.

        Parameters
        ----------
        until_s : float
            Up to this time in s.
        to_output : bool
            Stop as soon as bytes for the host are on their way.
        """
        board = self.board
        cpu, receiver, stepper, going = board.cpu, board.receiver, board.stepper, board.transmitter.going
        while True:
            self._work()
            if to_output and going:
                return
            due = min(receiver.due_s, stepper.due_s)
            if self._agenda:
                due = min(due, self._agenda[0][0])
            if cpu.busy_until_s > cpu.now_s:
                due = min(due, cpu.busy_until_s)
            if due > until_s:
                cpu.now_s = max(cpu.now_s, until_s)
                receiver.deliver()
                return
            cpu.now_s = max(cpu.now_s, due)
            receiver.deliver()
            while stepper.due_s <= cpu.now_s:
                stepper.fire()
            while self._agenda and self._agenda[0][0] <= cpu.now_s:
                heapq.heappop(self._agenda)[2]()

    def _work(self) -> None:
        """Let the main program go as far as it can at this moment."""
        board = self.board
        cpu, rt, stepper, program = board.cpu, board.rt, board.stepper, self._program
        while cpu.now_s >= cpu.busy_until_s and not self.frozen:
            wait = self._wait
            if not (wait.polls and rt.pending()):
                if stepper.prepare():
                    continue
                if not wait.until():
                    return
            self._wait = next(program)

    def _on_realtime(self, byte: int) -> None:
        """Handle a real-time byte in the receive interrupt."""
        rt = self.board.rt
        if byte in _EXEC_BYTES:
            rt.exec |= _EXEC_BYTES[byte]
        elif byte == RESET:
            kill(self.board)
        elif byte == JOG_CANCEL:
            if rt.state is State.JOG:
                rt.exec |= Exec.CANCEL
        elif byte in _MOTION_BYTES:
            rt.motion.add(byte)
        elif byte in _ACCESSORY_BYTES:
            rt.accessory.add(byte)

    def idle_s(self) -> float:
        """Return the time in s of the next event; infinity when nothing would ever happen by itself."""
        board = self.board
        busy = board.cpu.busy_until_s
        due = min(board.receiver.due_s, board.stepper.due_s, board.transmitter.due_s())
        return min(due, busy if busy > board.cpu.now_s else math.inf)


def _default_start(settings: Settings, options: Options) -> Triple:
    travel, low_ends = settings.axes.travel_mm, int(settings[23])
    if options.homed:
        corner = [settings[27] - t if low_ends >> a & 1 else -settings[27] for a, t in enumerate(travel)]
        return corner[0], corner[1], corner[2]
    if settings[21] or settings[22]:
        return -travel[0] / 2, -travel[1] / 2, -travel[2] / 2
    return 0.0, 0.0, 0.0
