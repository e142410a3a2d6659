"""`hotkit rollback`."""

from __future__ import annotations

import json

import click
from rich.console import Console

from hotkit.cli.approval import approver
from hotkit.cli.options import changes_hosts
from hotkit.core.batch import Batch
from hotkit.report.provision import LiveProgress, print_summary
from hotkit.rollback import rollback


@click.command("rollback")
@changes_hosts
@click.option("--no-reboot", is_flag=True, help="Restore the files, let a running layout run on.")
def command(
    inventory: str,
    limit: str | None,
    check: bool,
    diff: bool,
    yes: bool,
    no_reboot: bool,
    take_over: bool,
    batch: str | None,
    max_failures: int,
    as_json: bool,
) -> int:
    """Take back everything that hotkit wrote on the hosts of INVENTORY, and boot the stock entry.

    /boot and /etc are as they were before the first `hotkit provision`, to the byte: from the
    copies taken then. What others changed since (another kernel, a variable in grubenv) stays, only
    hotkit's part goes, and that is said. /var/lib/hotkit is removed last.

    \b
    Examples:
      hotkit rollback lab --limit lab-small
      hotkit rollback my-lab --check --diff

    Exit codes: 0 done, 1 failed, 2 bad input, 3 unreachable.
    """
    reboots = "" if no_reboot else " and reboot"
    approve = approver(f"Restore {inventory}{reboots}?", yes=yes)
    with LiveProgress(Console(stderr=True, highlight=False)) as progress:
        result = rollback(
            inventory, progress, progress.paused(approve), limit=limit, check=check, diff=diff,
            reboot=not no_reboot, take_over=take_over, batch=Batch(batch),
            max_failures=max_failures,
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        print_summary(result.hosts, str(result.folder), Console(highlight=False))
    return result.exit_code
