"""`hotkit verify`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from hotkit.cli.completion import inventory_names
from hotkit.core.hostverdict import exit_code
from hotkit.report.verify import print_verdicts
from hotkit.verify import verify

JSON_SCHEMA_VERSION = 1


@click.command("verify")
@click.argument("inventory", default="lab", shell_complete=inventory_names)
@click.option("--limit", metavar="PATTERN", help="Only these hosts (an Ansible host pattern).")
@click.option("--kernel", metavar="RELEASE", help="The kernel release that must run (uname -r).")
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write JUnit XML for a CI system to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    inventory: str, limit: str | None, kernel: str | None, junit: Path | None, as_json: bool
) -> int:
    """Check that every host of INVENTORY runs the layout that its profile asks for.

    INVENTORY is a path or the name of a folder under inventories/ (default: lab). What to expect is
    computed here, from the host's profile and the topology that its firmware shows now. Checked
    are: the boot entry's token, each kernel argument, CPUs and their nodes, System RAM per node to
    the page, MemTotal per node, numactl -H, PMEM, and that the host's own record names the same
    layout. Nothing on the host is changed.

    When a check fails, the cause is looked for too: the stock entry runs, another layout runs, an
    escape lost its $ (and which spelling loses it), RAM is capped, CPUs came online later.

    \b
    Examples:
      hotkit verify
      hotkit verify my-lab --limit tier1 --junit verify.xml
      hotkit verify lab --json | jq '.hosts[].outcome'

    The same checks run under plain pytest: pytest --pyargs hotkit.checks --hosts=ssh://HOST
    (docs/verify.md).

    Exit codes: 0 all passed, 1 a check failed, 2 bad input, 3 unreachable.
    """
    verdicts = verify(inventory, limit=limit, kernel=kernel, junit=junit)
    code = exit_code(verdicts)
    if as_json:
        document = {
            "schema_version": JSON_SCHEMA_VERSION,
            "inventory": inventory,
            "ok": all(item.ok for item in verdicts),
            "hosts": [item.to_dict() for item in verdicts],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        # A log file is as wide as it needs to be; a terminal is as wide as it is.
        width = None if sys.stdout.isatty() else 120
        print_verdicts(verdicts, Console(file=sys.stdout, highlight=False, width=width))
    return code
