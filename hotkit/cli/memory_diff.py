"""`hotkit memory diff`."""

from __future__ import annotations

import json

import click

from hotkit.cli.options import where_hosts_are
from hotkit.core.memdiff import diff
from hotkit.memory import load_facts
from hotkit.report.layout import show
from hotkit.report.memorydiff import diff_report


@click.command("diff")
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@where_hosts_are
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(left: str, right: str, inventory: str | None, as_json: bool) -> None:
    """Say what grew and what shrank between the captures A and B, node by node.

    A and B are directories that `hotkit memory capture` made, single files (a meminfo, or a table
    of `numactl -H`), or hosts as for `hotkit memory explain`: one machine in two boots, or two
    machines. Where both have more than totals, the items of their trees are compared; the changes
    add up to the change of what is in use. Then, in sentences, where it went, as far as the
    captures show it: CPUs that are down, nodes without a CPU, RAM of another size.

    \b
    Examples:
      hotkit memory diff tier1-stock tier1-maxcpus4
      hotkit memory diff numactl-all-cpus.txt numactl-maxcpus4.txt
      hotkit memory diff tier1-stock tier1

    Exit codes: 0 done, 2 bad input, 3 unreachable.
    """
    found = diff(load_facts(left, inventory), load_facts(right, inventory))
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        show(diff_report(found))
