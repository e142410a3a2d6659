"""`hotkit status`."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console

from hotkit.cli.completion import inventory_names
from hotkit.errors import ExitCode
from hotkit.report.status import print_status
from hotkit.status import status

JSON_SCHEMA_VERSION = 1


@click.command("status")
@click.argument("inventory", default="lab", shell_complete=inventory_names)
@click.option("--limit", metavar="PATTERN", help="Only these hosts (an Ansible host pattern).")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(inventory: str, limit: str | None, as_json: bool) -> int:
    """Say what every host of INVENTORY runs, what is armed, committed, or left over.

    Asks all hosts at once and changes nothing: the layout that runs (or stock), the kernel, what
    provisioning recorded on the host and when, whether the next boot is armed, who is at work
    there, what was left behind by a call that was cut off, and which power control and console the
    inventory names. A sentence of advice for each host where something is odd.

    \b
    Examples:
      hotkit status my-lab
      hotkit status my-lab --json | jq -r '.hosts[] | select(.runs != "stock") | .host'

    Exit codes: 0 all answered, 2 bad input, 3 a host is unreachable.
    """
    rows = status(inventory, limit=limit)
    if as_json:
        hosts = [row.to_dict() for row in rows]
        document = {"schema_version": JSON_SCHEMA_VERSION, "inventory": inventory, "hosts": hosts}
        click.echo(json.dumps(document, indent=2))
    else:
        width = None if sys.stdout.isatty() else 140
        print_status(rows, Console(file=sys.stdout, highlight=False, width=width))
    return ExitCode.OK if all(row.reachable for row in rows) else ExitCode.UNREACHABLE
