"""`hotkit sweep init`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from hotkit.agent.trackers import TRACKERS
from hotkit.host.sweepinit import workloads
from hotkit.sweep.init import init_sweep


@click.command("init")
@click.argument(
    "path",
    metavar="[FILE]",
    default="sweep.yml",
    type=click.Path(dir_okay=False, path_type=Path),
)
@click.option(
    "--tracker",
    "trackers",
    multiple=True,
    default=("softdirty",),
    show_default=True,
    type=click.Choice(list(TRACKERS)),
    help="A tracker to compare with off; may be given again.",
)
@click.option(
    "--workload",
    default="hotset",
    show_default=True,
    type=click.Choice(workloads()),
    help="What is measured: hotset, zipf, or a program by its recipe.",
)
def init(path: Path, trackers: tuple[str, ...], workload: str) -> None:
    """Write a sweep description that explains itself (default: sweep.yml). Nothing is overwritten.

    It runs as it is. Every key is there with what it does: those that are not needed, and every
    setting of the trackers at its default, are comments to take the '#' from.

    \b
    Examples:
      hotkit sweep init
      hotkit sweep init damon.yml --tracker damon --tracker softdirty --workload zipf
      hotkit sweep init redis.yml --tracker perf --workload redis
      hotkit sweep plan damon.yml && hotkit sweep damon.yml --out first

    Which trackers work on which host: hotkit trackers. What the workloads are: docs/workloads.md.

    Exit codes: 0 ok; 2 the file exists or cannot be written.
    """
    spec = init_sweep(path, trackers, workload)
    arms = ", ".join(arm.tracker for arm in spec.arms)
    name = shlex.quote(str(path))
    click.echo(f"{path}: {spec.blocks} blocks, workload {workload}, off against {arms}")
    click.echo(f"next: hotkit sweep plan {name}, then hotkit sweep {name}")
