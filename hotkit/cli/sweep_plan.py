"""`hotkit sweep plan`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from hotkit.cli.options import on_hosts
from hotkit.report.sweepplan import print_plan
from hotkit.report.sweepplan_json import to_dict
from hotkit.sweep.plan import plan_sweep


@click.command("plan")
@click.argument(
    "description",
    metavar="[SWEEP.yml]",
    required=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@on_hosts(
    "Plan for these hosts only (an Ansible host pattern; default: all of the inventory).",
    "Plan for this machine: no inventory.",
    limit_is="PATTERN",
)
@click.option(
    "--pilot",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A sweep that ran: durations and noise come from it.",
)
@click.option("--full", is_flag=True, help="The whole schedule, not its first blocks.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def plan(
    description: Path | None,
    inventory: str,
    limit: str | None,
    local: bool,
    pilot: Path | None,
    full: bool,
    as_json: bool,
) -> int:
    """Tell what a sweep will do, how long it takes, and the smallest effect it will be able to see.

    No machine is asked and nothing is written. The parts (hosts x layouts x boots x workloads) and
    the schedule are those that `hotkit sweep` carries out: both follow from SWEEP.yml alone.

    Duration and smallest effect depend on the machine, so they come from a pilot: any sweep of the
    same workload that ran there, six blocks are enough to begin with. Durations come from the times
    of its runs and the time between them. The smallest effect (80 % power) comes from the noise of
    its off/off pairs, with what few pairs leave open: from eight pairs the true noise may be twice
    what was found. It also says how many blocks show smallest_effect_percent, and when `until`
    would end the sweep. A pilot with another workload is refused, one on another host or layout is
    marked.

    Without a pilot the duration is a rough estimate from `seconds`, and unknown for `updates` and
    for commands.

    \b
    Examples:
      hotkit sweep plan my.yml --local
      hotkit sweep my.yml --local --out pilot && hotkit sweep plan my.yml --local --pilot pilot
      hotkit sweep plan my.yml -i my-lab --limit tier1,tier2 --pilot results/first --full
      hotkit sweep plan my.yml --json | jq .duration_of_a_host_s

    Exit codes: 0 ok; 2 bad input; 5 the pilot says nothing about any of the workloads.
    """
    found = plan_sweep(description, inventory=inventory, limit=limit, local=local, pilot=pilot)
    if as_json:
        click.echo(json.dumps(to_dict(found), indent=2, allow_nan=False))
    else:
        width = None if sys.stdout.isatty() else 120
        print_plan(found, Console(file=sys.stdout, highlight=False, width=width), full=full)
    return found.exit_code
