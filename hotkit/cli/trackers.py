"""`hotkit trackers`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich.console import Console

from hotkit.agent.trackers import TRACKERS
from hotkit.cli.asking import asking
from hotkit.cli.options import on_hosts
from hotkit.core.answer import all_answered
from hotkit.core.trackermatrix import HostTrackers
from hotkit.errors import ExitCode
from hotkit.report.trackers import print_matrix, print_tracker
from hotkit.trackers import describe, tracker_named, trackers

JSON_SCHEMA_VERSION = 1


def _names(ctx: click.Context, param: click.Parameter, word: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in TRACKERS if name.startswith(word)]


@click.command("trackers")
@click.argument("name", required=False, shell_complete=_names)
@on_hosts(
    "Only these hosts (an Ansible host pattern).",
    "Ask this machine: no inventory, no ssh.",
    "PATTERN",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(name: str | None, inventory: str, limit: str | None, local: bool, as_json: bool) -> int:
    """Say which trackers work on which host, and for each that does not: why, and the fix.

    Every running host is asked at once. Its agent tries each tracker with its default settings;
    nothing is tracked, and nothing is changed but that the agent is installed where it is not.
    Another setting may work where the default does not: the reason then names it.

    With the NAME of a tracker: its settings with default and meaning, and where it works.

    \b
    Examples:
      hotkit trackers
      hotkit trackers damon -i my-lab
      hotkit trackers --local --json | jq '.hosts[].trackers | map_values(.available)'

    Machines of the lab that are not started are listed, and do not count as unreachable.

    Exit codes: 0 every host answered, 2 bad input, 3 one did not (the others are still shown).
    """
    kind = tracker_named(name) if name else None
    with asking() as say:
        hosts = trackers(inventory, limit=limit, local=local, say=say)
    if as_json:
        click.echo(json.dumps(_document(name, None if local else inventory, hosts), indent=2))
    else:
        # A log file is as wide as it needs to be; a terminal is as wide as it is.
        width = None if sys.stdout.isatty() else 120
        console = Console(file=sys.stdout, highlight=False, width=width)
        if kind:
            print_tracker(kind, hosts, console)
        else:
            print_matrix(hosts, console)
    everyone = all_answered([host.answer for host in hosts])
    return ExitCode.OK if everyone else ExitCode.UNREACHABLE


def _document(name: str | None, inventory: str | None, hosts: list[HostTrackers]) -> dict[str, Any]:
    wanted = [name] if name else list(TRACKERS)
    rows = [host.to_dict() for host in hosts]
    for row in rows:
        row["trackers"] = {key: row["trackers"][key] for key in wanted if key in row["trackers"]}
    return {
        "schema_version": JSON_SCHEMA_VERSION,
        "inventory": inventory,
        "trackers": {key: describe(TRACKERS[key]) for key in wanted},
        "hosts": rows,
    }
