"""Groups of commands whose modules are imported when they are called, and not before."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

Commands = Mapping[str, tuple[str, str]]
"""Name of a command to the module that holds it under the same name, and its line in the list."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is used.

    Parameters
    ----------
    name : str
        What a person types.
    table : Commands
        Its commands, in the order they are listed. A dash in a name is an underscore in the module.
    **attributes
        Those of `click.Group`.
    """

    def __init__(self, name: str, table: Commands, **attributes: Any) -> None:
        super().__init__(name, **attributes)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the table's order."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command; None when there is no such command."""
        if cmd_name not in self.table:
            return None
        module = importlib.import_module(self.table[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command when there is none of that name."""
        name = args[0]
        if not name.startswith("-") and name not in self.table:
            import difflib

            near = difflib.get_close_matches(name, self.table, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"See {ctx.command_path} --help."
            ctx.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(ctx, args)
