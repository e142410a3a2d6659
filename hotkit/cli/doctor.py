"""`hotkit doctor`."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console

from hotkit.cli.asking import asking
from hotkit.cli.options import on_hosts
from hotkit.doctor import examine
from hotkit.report.doctor import print_examination

JSON_SCHEMA_VERSION = 1


@click.command("doctor")
@on_hosts(
    "Only these hosts (an Ansible host pattern).",
    "Examine this machine: no inventory, no ssh.",
    "PATTERN",
)
@click.option("--guests", is_flag=True, help="What hosts lack for guests, even if they have none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(inventory: str, limit: str | None, local: bool, guests: bool, as_json: bool) -> int:
    """Say what hosts lack for measuring, the gravest first, each with its evidence and the fix.

    Every running host is asked at once: rights, container, debugfs and tracefs, lockdown, cgroups,
    PMU, the patched kernel, left-overs of a dead agent, other users of DAMON, what the kernel does
    by itself (THP, NUMA balancing, KSM, swap), CPUs and their frequency, steal, clock, memory. So
    are the tools that this machine needs as the controller. Nothing is changed but that the agent
    is installed where it is not.

    A host that has guests (hotkit_guests in the inventory), or with --guests every one, is asked
    what trackers over a VM need, too: KVM and its nested paging, A bits in it, PML, who flushes and
    who counts that, QEMU and memory for guests, hardware samples in guests. So is each guest that
    is up, from within. No guest is started.

    \b
    A finding is
      problem  hardly anything can be measured, or what is measured would be wrong
      warning  a tracker has less to work with, or figures are noisier or hold for less
      fine     looked at, and as it should be

    \b
    Examples:
      hotkit doctor -i my-lab
      hotkit doctor --local
      hotkit doctor -i my-lab --limit tier1 --guests
      hotkit doctor --json | jq '.hosts[] | {host, findings: [.findings[] | select(.fix)]}'

    Which trackers work is said by `hotkit trackers`.

    Exit codes: 0 no problem, 1 a problem, 2 bad input, 3 a host did not answer.
    """
    with asking() as say:
        found = examine(inventory, limit=limit, local=local, guests=guests, say=say)
    if as_json:
        document = {
            "schema_version": JSON_SCHEMA_VERSION,
            "inventory": None if local else inventory,
            "controller": [item.to_dict() for item in found.controller],
            "hosts": [host.to_dict() for host in found.hosts],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        # A log file is as wide as it needs to be; a terminal is as wide as it is.
        width = None if sys.stdout.isatty() else 120
        print_examination(found, Console(file=sys.stdout, highlight=False, width=width))
    return found.exit_code
