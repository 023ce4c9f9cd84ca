"""The commands that are about one machine: ``fabctl machine …``, each in a module of its own."""

from __future__ import annotations

from fabctl.cli.lazy import LazyGroup

MACHINE_COMMANDS: dict[str, tuple[str, str]] = {
    "show": ("fabctl.cli.machine_show", "Show a machine's description and the settings it implies."),
    "sim": ("fabctl.cli.machine_sim", "Serve a machine's virtual controller to any sender, in real time."),
    "serve": ("fabctl.cli.machine_serve", "Keep machines, their ports open, for every other command."),
}
"""Every command of the group: the module that holds it under the same name, and its line in the list."""

HELP = """Look at a machine, try its controller, get it ready.

\b
Examples:
  fabctl machine show router-3018
  fabctl machine sim router-3018 --pty
"""

machine = LazyGroup("machine", MACHINE_COMMANDS, help=HELP)
"""The group ``fabctl machine``."""
