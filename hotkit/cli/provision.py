"""`hotkit provision`."""

from __future__ import annotations

import json

import click
from rich.console import Console

from hotkit.cli.approval import approver
from hotkit.cli.options import changes_hosts
from hotkit.core.batch import Batch
from hotkit.hostoutcome import Result
from hotkit.provision import provision
from hotkit.report.provision import LiveProgress, print_summary
from hotkit.report.verify import print_verdicts


@click.command("provision")
@changes_hosts
@click.option(
    "--commit",
    is_flag=True,
    help="Make the layout the default entry once every check passed (or hotkit_commit: true).",
)
@click.option("--force", is_flag=True, help="Boot also what is predicted not to boot: once.")
@click.option(
    "--trace-memory",
    is_flag=True,
    help="Trace page_alloc from boot, for `hotkit memory` to read back; this trial only.",
)
@click.option(
    "--trace-buffer",
    metavar="SIZE",
    help="A CPU's buffer for it, like 64M (default: all CPUs share 512M).",
)
@click.option(
    "--trace-tasks", is_flag=True, help="Trace by task, not by function: a quarter of the size."
)
def command(
    inventory: str,
    limit: str | None,
    check: bool,
    diff: bool,
    yes: bool,
    commit: bool,
    force: bool,
    trace_memory: bool,
    trace_buffer: str | None,
    trace_tasks: bool,
    take_over: bool,
    batch: str | None,
    max_failures: int,
    as_json: bool,
) -> int:
    """Boot every host of INVENTORY once into the memory layout that its profile asks for.

    INVENTORY is a path or the name of a folder under inventories/ (default: lab). Per host: read
    the machine, plan the layout on its firmware's map, simulate the boot entry, ask; then write the
    entry to custom.cfg (after a copy of the original), arm it for ONE boot, reboot, see that it
    came up, and verify it. The stock entry is never touched: any later reboot is stock again.

    A machine whose layout panics, runs out of memory, or cannot be logged into comes back to its
    stock entry by itself; one that hangs is reset by its power control (hotkit_power). That is
    exit code 4. A second call continues where the first was cut off, and changes nothing on a host
    that runs its layout. --trace-memory boots once more with a trace of who takes memory; the next
    call without it boots without it. Hosts go their own ways, half of them at a time: --batch.

    \b
    Examples:
      hotkit provision lab --limit lab-small --check --diff
      hotkit provision my-lab --yes --json | jq '.hosts[] | {host, status, sentence}'

    Undo: hotkit rollback INVENTORY. Without hotkit: ansible-playbook playbooks/provision.yml
    (docs/provisioning.md).

    Exit codes: 0 done, 1 failed or not verified, 2 bad input (nothing was written), 3 unreachable,
    4 fell back to the stock entry.
    """
    approve = approver("Write this and reboot once?", yes=yes)
    with LiveProgress(Console(stderr=True, highlight=False)) as progress:
        result = provision(
            inventory,
            progress,
            progress.paused(approve),
            limit=limit,
            check=check,
            diff=diff,
            commit=commit,
            force=force,
            trace_memory=trace_buffer or ("true" if trace_memory or trace_tasks else None),
            trace_tasks=trace_tasks,
            take_over=take_over,
            batch=Batch(batch),
            max_failures=max_failures,
        )
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        _print(result)
    return result.exit_code


def _print(result: Result) -> None:
    out = Console(highlight=False)
    failed = [item.verdict for item in result.hosts if item.verdict and not item.verdict.ok]
    if failed:
        print_verdicts(failed, out)
    print_summary(result.hosts, str(result.folder), out)
