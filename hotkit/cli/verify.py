"""`hotkit verify`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from hotkit.cli.completion import inventory_names
from hotkit.core.hostverdict import exit_code
from hotkit.host.runs import new_run_folder
from hotkit.report.tierprobe import probe_block
from hotkit.report.verify import print_verdicts
from hotkit.verify import probe_tiers, verify

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
@click.option(
    "--probe",
    is_flag=True,
    help="Also measure latency and bandwidth of every node's memory (installs the agent).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    inventory: str,
    limit: str | None,
    kernel: str | None,
    junit: Path | None,
    probe: bool,
    as_json: bool,
) -> int:
    """Check that every host of INVENTORY runs the layout that its profile asks for.

    INVENTORY is a path or the name of a folder under inventories/ (default: lab). What to expect is
    computed here, from the host's profile and the topology that its firmware shows now. Checked
    are: the boot entry's token, each kernel argument, CPUs and their nodes, System RAM per node to
    the page, MemTotal per node, numactl -H, PMEM, and that the host's own record names the same
    layout. Nothing on the host is changed.

    With --probe each node's memory is also measured from each node's CPUs: whether a slow tier is
    shown to be slower, which no check of a layout can say. This takes the machine's time: some
    seconds per pair of nodes. What it shows changes neither verdict nor exit code.

    When a check fails, the cause is looked for too: the stock entry runs, another layout runs, an
    escape lost its $ (and which spelling loses it), RAM is capped, CPUs came online later.

    \b
    Examples:
      hotkit verify
      hotkit verify my-lab --limit tier1 --junit verify.xml
      hotkit verify my-lab --probe
      hotkit verify lab --json | jq '.hosts[].outcome'

    The same checks run under plain pytest: pytest --pyargs hotkit.checks --hosts=ssh://HOST
    (docs/verify.md).

    Exit codes: 0 all passed, 1 a check failed, 2 bad input, 3 unreachable.
    """
    verdicts = verify(inventory, limit=limit, kernel=kernel, junit=junit)
    code = exit_code(verdicts)
    probes = probe_tiers(inventory, verdicts, new_run_folder("probe")) if probe else []
    tiers = {item.host: item.to_dict() for item in probes}
    if as_json:
        document = {
            "schema_version": JSON_SCHEMA_VERSION,
            "inventory": inventory,
            "ok": all(item.ok for item in verdicts),
            "hosts": [
                item.to_dict() | ({"tiers": tiers.get(item.host)} if probe else {})
                for item in verdicts
            ],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        # A log file is as wide as it needs to be; a terminal is as wide as it is.
        width = None if sys.stdout.isatty() else 120
        console = Console(file=sys.stdout, highlight=False, width=width)
        print_verdicts(verdicts, console)
        for item in probes:
            console.print(probe_block(item))
    return code
