"""The command line's front door: names, help and exit codes; each command is loaded when it is called."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from fabctl import __version__
from fabctl.cli.lazy import LazyGroup
from fabctl.errors import EXIT_CODES, FabctlError, InputError, RefusedError

COMMANDS: dict[str, tuple[str, str]] = {
    "make": ("fabctl.cli.make", "Plan, check, send and record a job or a design in one go."),
    "plan": ("fabctl.cli.plan", "Turn a design or a job into G-code for a machine and a material."),
    "check": ("fabctl.cli.check", "Read a G-code file and list what this machine would make of it."),
    "level": ("fabctl.cli.level", "Lay a G-code file onto stock whose height was probed."),
    "explain": ("fabctl.cli.explain", "Say in words what one line of G-code does."),
    "send": ("fabctl.cli.send", "Check a G-code file and stream it to a machine."),
    "run": ("fabctl.cli.send", "The same as send: check a G-code file and stream it, from any line."),
    "resume": ("fabctl.cli.resume", "Go on with a run that ended early, through a safe way back."),
    "preview": ("fabctl.cli.preview", "Draw a design, a job or a G-code file as SVG or PNG."),
    "machine": ("fabctl.cli.machine", "Look at a machine, try its controller, get it ready."),
    "machines": ("fabctl.cli.lists", "List the machines fabctl knows."),
    "materials": ("fabctl.cli.lists", "List the materials fabctl knows."),
    "tools": ("fabctl.cli.lists", "List the tools fabctl knows."),
    "jobs": ("fabctl.cli.lists", "List the worked examples that come with fabctl."),
    "runs": ("fabctl.cli.lists", "List recorded runs and how each of them ended."),
    "status": ("fabctl.cli.status", "Say what is certain of a run, also after a crash."),
}
"""Every command: the module that holds it under the same name, and its line in the list of commands."""


EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code}  {text}" for code, text in EXIT_CODES.items())


HELP = """From an open design to a safe, adapted, recorded cut.

\b
Examples:
  fabctl make jobs/stool.toml             the whole way, on the virtual controller
  fabctl plan drawing.svg -m router-3018 -M plywood-6 -o drawing.nc
  fabctl check drawing.nc -m router-3018
  fabctl preview drawing.nc -o drawing.png
  fabctl send drawing.nc -m router-3018 --port /dev/ttyUSB0

A software stop is not an emergency stop: keep the real one within reach.
"""

cli = click.version_option(__version__, "-V", "--version", prog_name="fabctl")(
    LazyGroup(
        "fabctl",
        COMMANDS,
        help=HELP,
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
)
"""The command line; `main` runs it."""


def main(argv: list[str] | None = None) -> Any:
    """Run the command line and exit with a code of `EXIT_CODES`.

    Parameters
    ----------
    argv : list of str, optional
        Arguments; those of the process by default.
    """
    try:
        code = cli.main(args=argv, prog_name="fabctl", standalone_mode=False)
        sys.stdout.flush()
    except FabctlError as error:
        click.echo(f"fabctl: {error}", err=True)
        _tell_notes(error)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("fabctl: given up; nothing more was done", err=True)
        sys.exit(RefusedError.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone (fabctl … | head): that is its right.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _tell_notes(error)
        _give_up(f"{error.strerror or error}", "look at the disk and at where the output goes")
    except MemoryError:
        _give_up("there is not enough memory for this", "take a smaller file, or a machine with more memory")
    except Exception as error:  # noqa: BLE001 the last door: a person gets a sentence, not a traceback
        click.echo(f"fabctl: a bug in fabctl: {type(error).__name__}: {error}", err=True)
        _tell_notes(error)
        click.echo("Run again with FABCTL_TRACEBACK=1 to see where, and please report it.", err=True)
        _raise_if_asked(error)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _give_up(problem: str, remedy: str) -> NoReturn:
    """Say what the system refused and exit as for bad input; what is unwritten stays unwritten."""
    import contextlib
    import os

    click.echo(f"fabctl: {problem}. Remedy: {remedy}", err=True)
    with contextlib.suppress(OSError, ValueError):
        # Python would try the failed output again at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(InputError.exit_code)


def _tell_notes(error: BaseException) -> None:
    """Tell what was noted on the way of an error: above all how the machine was left."""
    for note in getattr(error, "__notes__", ()):
        click.echo(note, err=True)


def _raise_if_asked(error: Exception) -> None:
    import os

    if os.environ.get("FABCTL_TRACEBACK"):
        raise error
