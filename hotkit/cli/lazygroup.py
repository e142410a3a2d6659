"""A group whose commands live in modules that are imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """`elsewhere` maps a command to its module below hotkit.cli, with `:name` unless `:command`."""

    def __init__(self, *arguments: Any, elsewhere: Mapping[str, str] | None = None, **more: Any):
        super().__init__(*arguments, **more)
        self._elsewhere = dict(elsewhere or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._elsewhere:
            return super().get_command(ctx, cmd_name)
        module, _, name = self._elsewhere[cmd_name].partition(":")
        found: click.Command = getattr(
            importlib.import_module(f"hotkit.cli.{module}"), name or "command"
        )
        return found
