"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hotkit.cli.completion import inventory_names


def on_hosts(limit: str, local: str, limit_is: str = "HOST") -> Callable[..., Any]:
    """--inventory, --limit and --local, with what the last two mean for a command."""
    options = (
        click.option(
            "--inventory",
            "-i",
            default="lab",
            show_default=True,
            shell_complete=inventory_names,
            help="A path or the name of a folder under inventories/.",
        ),
        click.option("--limit", metavar=limit_is, help=limit),
        click.option("--local", is_flag=True, help=local),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def where_hosts_are(command: Callable[..., Any]) -> Callable[..., Any]:
    """--inventory of a command whose machines may be hosts of any inventory."""
    return click.option(
        "--inventory",
        "-i",
        metavar="INVENTORY",
        shell_complete=inventory_names,
        help="Where to look for a host of that name (default: in every folder of inventories/).",
    )(command)


def changes_hosts(command: Callable[..., Any]) -> Callable[..., Any]:
    """INVENTORY and the options of a command that changes its hosts, a few at a time."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.argument("inventory", default="lab", shell_complete=inventory_names),
    click.option("--limit", metavar="PATTERN", help="Only these hosts (an Ansible host pattern)."),
    click.option(
        "--check", is_flag=True, help="Say what would change; write nothing, reboot nothing."
    ),
    click.option("--diff", is_flag=True, help="Show every change to a file."),
    click.option("--yes", is_flag=True, help="Do not ask before writing."),
    click.option(
        "--take-over", is_flag=True, help="Go on where another hotkit is at work (when it is dead)."
    ),
    click.option(
        "--batch",
        metavar="N|N%|all",
        help="How many hosts at once (default: half of them; all only when asked).",
    ),
    click.option(
        "--max-failures",
        type=click.IntRange(0),
        default=1,
        show_default=True,
        help="Begin no further host after this many failed; 0: go on.",
    ),
    click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
)
