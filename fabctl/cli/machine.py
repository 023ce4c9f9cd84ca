"""The commands that are about one machine: ``fabctl machine …``, each in a module of its own."""

from __future__ import annotations

from fabctl.cli.lazy import LazyGroup

MACHINE_COMMANDS: dict[str, tuple[str, str]] = {
    "show": ("fabctl.cli.machine_show", "Show a machine's description and the settings it implies."),
    "home": ("fabctl.cli.machine_home", "Let a machine find its switches."),
    "jog": ("fabctl.cli.machine_jog", "Move a machine by hand: one step, by the keys, or from a console."),
    "zero": ("fabctl.cli.machine_zero", "Give work coordinates to the place where the tool stands."),
    "probe": ("fabctl.cli.machine_probe", "Touch a plate twice and set zero to the stock below it."),
    "frame": ("fabctl.cli.machine_frame", "Trace a job's box above the stock."),
    "level": ("fabctl.cli.machine_level", "Probe the stock's height on a grid and keep it as a map."),
    "unlock": ("fabctl.cli.machine_unlock", "Take the lock off a controller after an alarm."),
    "hold": ("fabctl.cli.machine_hands", "Hold what a kept machine does."),
    "resume": ("fabctl.cli.machine_hands", "Let a kept machine's run go on from a hold."),
    "abort": ("fabctl.cli.machine_hands", "End what a kept machine does, position known."),
    "reset": ("fabctl.cli.machine_hands", "Reset a kept machine's controller at once."),
    "answer": ("fabctl.cli.machine_answer", "Answer the pause of a kept machine's run from any terminal."),
    "override": ("fabctl.cli.machine_hands", "Change a kept machine's feed, rapid and spindle overrides."),
    "conform": ("fabctl.cli.machine_conform", "Try a controller against the facts a sender relies on."),
    "sim": ("fabctl.cli.machine_sim", "Serve a machine's virtual controller to any sender, in real time."),
    "serve": ("fabctl.cli.machine_serve", "Keep machines, their ports open, for every other command."),
}
"""Every command of the group: the module that holds it under the same name, and its line in the list."""

HELP = """Look at a machine, try its controller, get it ready.

\b
Examples:
  fabctl machine show router-3018
  fabctl machine jog router-3018
  fabctl machine probe router-3018 --plate 1.6
  fabctl machine conform /dev/ttyUSB0
  fabctl machine sim router-3018 --pty
"""

machine = LazyGroup("machine", MACHINE_COMMANDS, help=HELP)
"""The group ``fabctl machine``."""
