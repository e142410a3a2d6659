"""A group whose commands live in modules that are imported on first use."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

import click
from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """`elsewhere` maps a command to its module below hotkit.cli, with `:name` unless `:command`.

    A list of the commands (--help, TAB) imports none of them: what it says of each is the
    docstring in the module's compiled code.
    """

    def __init__(self, *arguments: Any, elsewhere: Mapping[str, str] | None = None, **more: Any):
        super().__init__(*arguments, **more)
        self._elsewhere = dict(elsewhere or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._elsewhere:
            return super().get_command(ctx, cmd_name)
        module, name = self._place(cmd_name)
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Group(commands=dict(self._listed(ctx))).format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=command.get_short_help_str())
            for name, command in self._listed(ctx)
            if name.startswith(incomplete) and not command.hidden
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def _listed(self, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
        """Each command as far as a list needs it: its help, and whether it is hidden."""
        for name in self.list_commands(ctx):
            said = _docstring(*self._place(name)) if name in self._elsewhere else None
            command = click.Command(name, help=said) if said else self.get_command(ctx, name)
            if command is not None:
                yield name, command

    def _place(self, cmd_name: str) -> tuple[str, str]:
        """The module that holds a command, and its name there."""
        module, _, name = self._elsewhere[cmd_name].partition(":")
        return f"hotkit.cli.{module}", name or "command"


def _docstring(module: str, function: str) -> str | None:
    """The docstring of a function of a module that is not imported; None where it is not found.

    Of the compiled code (the one in __pycache__), where a docstring is a function's first constant.
    """
    spec = importlib.util.find_spec(module)
    loader: Any = spec.loader if spec else None
    code = loader.get_code(module) if hasattr(loader, "get_code") else None
    for item in code.co_consts if code else ():
        if isinstance(item, CodeType) and item.co_name == function and item.co_consts:
            first = item.co_consts[0]
            return first if isinstance(first, str) else None
    return None
