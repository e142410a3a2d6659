"""hotkit topology: what a machine's memory looks like."""

from __future__ import annotations

import json

import click

from hotkit.cli.completion import inventory_names, topology_names
from hotkit.core.topology import Topology
from hotkit.report.layout import show, topology_report
from hotkit.topology import load_topology


@click.group("topology")
def command() -> None:
    """Look at the nodes, memory ranges and CPUs of a machine."""


@command.command("show")
@click.argument("topology", metavar="TOPOLOGY", shell_complete=topology_names)
@click.option(
    "--inventory",
    metavar="INVENTORY",
    shell_complete=inventory_names,
    help="Where to look for a host of that name.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def show_command(topology: str, inventory: str | None, as_json: bool) -> None:
    """Show what firmware says of TOPOLOGY: right even while a layout is in force.

    TOPOLOGY is `local`, ssh://[user@]host[:port], a lab machine or inventory host, a file with a
    kernel log (dmesg), or a directory with captured files.

    \b
    Examples:
      hotkit topology show lab-2s-256g
      hotkit topology show ssh://root@tier1
      dmesg > dmesg-boot.txt; hotkit topology show dmesg-boot.txt
    """
    found = load_topology(topology, inventory)
    if as_json:
        click.echo(json.dumps(topology_dict(found), indent=2))
    else:
        show(topology_report(found))


def topology_dict(topology: Topology) -> dict[str, object]:
    """JSON form; ranges are [start, end) pairs of integers."""
    return {
        "schema_version": 1,
        "name": topology.name,
        "source": topology.source,
        "arch": topology.arch,
        "nodes": [
            {
                "node": node,
                "span": [[item.start, item.end] for item in topology.span(node)],
                "ram": [[item.start, item.end] for item in topology.node_ram(node)],
                "ram_bytes": topology.node_ram(node).size_bytes,
                "pmem": [[item.start, item.end] for item in topology.pmem(node)],
                "cpus": list(topology.node_cpus(node)),
            }
            for node in topology.nodes
        ],
        "cpus_in_bring_up_order": [cpu.number for cpu in topology.cpus],
        "distances": [list(row) for row in topology.distances],
        "firmware": [
            {"range": [item.range.start, item.range.end], "type": item.type}
            for item in topology.firmware
        ],
        "notes": list(topology.notes),
    }
