"""`hotkit sweep`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from hotkit.cli.options import on_hosts
from hotkit.report.sweep import print_sweep, progress_line, progress_view, to_dict
from hotkit.sweep import Progress, load_sweep, sweep


@click.command("sweep")
@click.argument(
    "description",
    metavar="[SWEEP.yml]",
    required=False,
    type=click.Path(exists=True, path_type=Path),
)
@on_hosts(
    "Measure on this host (default: the first running).",
    "Measure this machine: no inventory, no ssh.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this new directory (default: a new one below the state directory).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    description: Path | None,
    inventory: str,
    limit: str | None,
    local: bool,
    out: Path | None,
    as_json: bool,
) -> int:
    """Measure what a hotness tracker costs: an A/B sweep in randomised blocks.

    SWEEP.yml says what to measure; without it the description that comes with hotkit is used
    (soft-dirty tracking of the workload hotset, a minute or two). SWEEP.yml may also be the
    directory of a finished sweep: its report is then printed again, from the journal.

    Each block holds two runs without a tracker and one of every arm, in an order that the seed
    draws and that every second block turns round: a steady drift cancels. The two off
    runs tell whether the session can be trusted (A/A); the rest gives the overhead per sample with
    its 95 % interval. Every run is journalled before it counts, and nothing is ever overwritten.

    \b
    Examples:
      hotkit sweep                                 the first running machine of the lab
      hotkit sweep my.yml -i my-lab --limit tier1 --out results/first
      hotkit sweep results/first                   the report again
      hotkit sweep --local --json | jq .arms[].slowdown

    Figures of an emulated machine are labelled so: they show that a tracker works, never what it
    costs on hardware. How to read the report, and every key of SWEEP.yml: docs/sweep.md.

    Exit codes: 0 ok; 1 a run failed; 2 bad input; 3 unreachable; 5 a statistic is undefined or the
    session is not trustworthy; 130 interrupted (what was journalled stays).
    """
    if description is not None and description.is_dir():
        result = load_sweep(description)
    else:
        with _live() as watch:
            result = sweep(
                description, inventory=inventory, limit=limit, local=local, out=out, watch=watch
            )
    if as_json:
        click.echo(json.dumps(to_dict(result), indent=2))
    else:
        # A log file is as wide as it needs to be; a terminal is as wide as it is.
        width = None if sys.stdout.isatty() else 120
        print_sweep(result, Console(file=sys.stdout, highlight=False, width=width))
    return result.exit_code


@contextmanager
def _live() -> Iterator[Callable[[Progress], None]]:
    """A live view on a terminal; in a log one line per step and block. Always on stderr."""
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    if not console.is_terminal:
        seen: set[object] = set()

        def tell(progress: Progress) -> None:
            key = progress.step if progress.block is None else progress.block
            if key not in seen:
                seen.add(key)
                line = progress_line(progress, time.monotonic() - began)
                console.print(line, soft_wrap=True)

        yield tell
        return
    latest: list[Progress] = []

    def draw() -> object:
        return progress_view(latest[-1], time.monotonic() - began) if latest else ""

    # get_renderable is asked four times a second, so the clock runs while the agent is silent.
    with Live(
        console=console,
        get_renderable=draw,  # type: ignore[arg-type]
        refresh_per_second=4,
        transient=True,
    ):
        yield lambda progress: latest.append(progress)
