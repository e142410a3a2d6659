"""Writes docs/cli.md from every command's --help; tests/unit/test_docs.py compares it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hotkit.cli import cli

DOCS = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
HEADER = """# The command line

Generated from `--help` by `make docs`; a test compares it. Do not edit by hand.
"""


def walk(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Yield (full name, help text) of `command` and of all below it."""
    yield ctx.command_path, command.get_help(ctx)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            child = command.get_command(ctx, name)
            if child is not None and not child.hidden:
                yield from walk(child, click.Context(child, info_name=name, parent=ctx))


def top() -> click.Context:
    """What hotkit is called in, at a fixed width so that nothing depends on the terminal."""
    return click.Context(
        cli, info_name="hotkit", max_content_width=100, terminal_width=100, **cli.context_settings
    )


def render() -> str:
    """The whole page."""
    parts = [HEADER]
    for path, text in walk(cli, top()):
        parts.append(f"## {path}\n\n```\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        DOCS.write_text(render())
    else:
        sys.stdout.write(render())
