"""`hotkit sweep`: run one, or what else there is to do about one."""

from __future__ import annotations

from pathlib import Path

import click

from hotkit.cli.approval import approver
from hotkit.cli.lazygroup import LazyGroup
from hotkit.cli.options import on_hosts
from hotkit.cli.sweepview import live, show_result
from hotkit.errors import HotkitError
from hotkit.host.sweepspec import load_sweep_spec
from hotkit.sweep.layout import layout_name
from hotkit.sweep.run import sweep

_ELSEWHERE = {
    "init": "sweep_init:init",
    "plan": "sweep_plan:plan",
    "resume": "sweep_manage:resume",
    "status": "sweep_manage:status",
    "stop": "sweep_manage:stop",
    "watch": "sweep_manage:watch",
}


class _Group(LazyGroup):
    """Anything that is none of its commands is for `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {*self.list_commands(ctx), *ctx.help_option_names}
        return super().parse_args(ctx, args if args and args[0] in known else ["run", *args])


@click.group("sweep", cls=_Group, elsewhere=_ELSEWHERE)
def command() -> None:
    """Measure what hotness trackers cost: A/B sweeps in randomised blocks.

    `hotkit sweep FILE` is `hotkit sweep run FILE`.

    \b
    From a description to a report:
      hotkit sweep init my.yml         a description that explains itself
      hotkit sweep plan my.yml         what it will do, how long, and what it will be able to see
      hotkit sweep my.yml --out first  measure, on every running host of the inventory
      hotkit sweep status first        how far it is; watch: the live view, from any terminal
      hotkit sweep resume first        go on after Ctrl-C, a crash, a reboot, a power cut
      hotkit report first --html first.html

    The agent on a host goes on by itself when the connection breaks. docs/sweep.md has the design,
    the statistics and every key.
    """


@command.command("run")
@click.argument(
    "description",
    metavar="[SWEEP.yml]",
    required=False,
    type=click.Path(exists=True, path_type=Path),
)
@on_hosts(
    "Measure on these hosts only (an Ansible host pattern; default: all that run).",
    "Measure this machine: no inventory, no ssh.",
    limit_is="PATTERN",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this new directory (default: a new one below the state directory).",
)
@click.option("--yes", is_flag=True, help="Do not ask before rebooting into layouts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(
    description: Path | None,
    inventory: str,
    limit: str | None,
    local: bool,
    out: Path | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Measure what a hotness tracker costs: an A/B sweep in randomised blocks.

    SWEEP.yml says what to measure; without it the description that comes with hotkit is used
    (soft-dirty tracking of the workload hotset, a minute or two). SWEEP.yml may also be the
    directory of a sweep: its report is then printed again, from the journal.

    Each block holds two runs without a tracker and one of every arm, in an order that the seed
    draws and that every second block turns round: a steady drift cancels. The two off
    runs tell whether the session can be trusted (A/A); the rest gives the overhead per sample with
    its 95 % interval. Hosts work side by side, each on whole blocks. Every run is journalled before
    it counts, and nothing is ever overwritten.

    Ctrl-C ends a sweep after the run that is under way, a second one at once; `hotkit sweep resume`
    goes on with the next run. A run during which the machine was not quiet (a gate failed) makes
    its block begin anew, and is kept in the record.

    \b
    Examples:
      hotkit sweep                                 every running machine of the lab
      hotkit sweep my.yml -i my-lab --limit tier1 --out results/first
      hotkit sweep results/first                   the report again
      hotkit sweep --local --json | jq .arms[].slowdown

    Figures of an emulated machine are labelled so: they show that a tracker works, never what it
    costs on hardware. How to read the report, and every key of SWEEP.yml: docs/sweep.md.

    Exit codes: 0 ok; 1 a run failed; 2 bad input; 3 unreachable; 5 a statistic is undefined or the
    session is not trustworthy; 130 interrupted (what was journalled stays).
    """
    if description is not None and description.is_dir():
        return show_result(description, as_json=as_json)
    layouts = load_sweep_spec(description).layouts
    ask = approver(f"Reboot the hosts into {', '.join(map(layout_name, layouts))}?", yes=yes)
    if layouts and not ask():
        raise HotkitError("not approved; nothing was written, nothing was measured")
    with live() as watch:
        folder = sweep(
            description, inventory=inventory, limit=limit, local=local, out=out, watch=watch
        )
    return show_result(folder, as_json=as_json)
