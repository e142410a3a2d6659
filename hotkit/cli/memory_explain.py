"""`hotkit memory explain`."""

from __future__ import annotations

import json

import click

from hotkit.cli.options import where_hosts_are
from hotkit.core.memtree import explain
from hotkit.errors import HotkitError
from hotkit.memory import load_facts
from hotkit.report.layout import show
from hotkit.report.memoryaccount import account_report


@click.command("explain")
@click.argument("host", metavar="[HOST]", required=False)
@click.option("--host", "named", metavar="HOST", help="The same as the argument.")
@click.option(
    "--capture",
    metavar="DIR",
    help="What `hotkit memory capture` kept, or files by the same names; a single file, too.",
)
@where_hosts_are
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    host: str | None,
    named: str | None,
    capture: str | None,
    inventory: str | None,
    as_json: bool,
) -> None:
    """Say who holds how much of a machine's memory, node by node, in RAM.

    HOST is `local`, ssh://[user@]host[:port], or a host of an inventory; nothing changes there.

    The tree adds up to MemTotal - MemFree, with nothing in it twice: shared memory is in the page
    cache, reclaimable slabs are in slab, vmapped kernel stacks are not in vmalloc again, and the
    first per-CPU chunk lies outside MemTotal. Of /proc/vmallocinfo only pages count: ioremap and
    vmap are address space. What no field of meminfo counts is a line of its own, with what
    zoneinfo, tracefs, allocinfo, page_owner or a trace of page_alloc can say of it, with the usual
    suspects computed for this machine, and with the next command to ask.

    Captures may be partial, damaged or of another kernel: what is known is shown, what is not is
    said. Only the total and the free memory must be there.

    \b
    Examples:
      hotkit memory explain tier1
      hotkit memory explain --capture tier1-stock
      hotkit memory explain local --json | jq .unexplained_bytes

    Exit codes: 0 done, 2 bad input, 3 unreachable.
    """
    given = [one for one in (host, named, capture) if one is not None]
    if len(given) != 1:
        raise HotkitError(
            "name one machine: HOST, --host HOST or --capture DIR"
            + (f" (there are {len(given)})" if given else ""),
            hint="this one is: hotkit memory explain local",
        )
    account = explain(load_facts(given[0], inventory))
    if as_json:
        click.echo(json.dumps(account.to_dict(), indent=2))
    else:
        show(account_report(account))
