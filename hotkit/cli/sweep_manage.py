"""`hotkit sweep resume|status|stop|watch`: about a sweep that was begun."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from hotkit.cli.sweepview import live, show_result
from hotkit.errors import ExitCode
from hotkit.sweep.run import resume as resume_sweep
from hotkit.sweep.run import stop as stop_sweep
from hotkit.sweep.watch import follow, status_of

_FOLDER = click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


@click.command("resume")
@_FOLDER
@_JSON
def resume(folder: Path, as_json: bool) -> int:
    """Go on with the sweep in DIR, whatever cut it off, and report it.

    The schedule is the one that was drawn at its beginning. Where the agent on the host still
    works, its events are fetched, also those of the meantime; where it is gone, a new one goes on
    with the next run. A block that a reboot cut in two begins anew, since runs that are compared
    must be of one boot; so it is in the record. A machine that runs another kernel or layout than
    at the beginning is refused. Of a finished sweep nothing is done again.

    \b
    Examples:
      hotkit sweep resume results/first

    Exit codes: those of `hotkit sweep run`.
    """
    with live() as watch:
        resume_sweep(folder, watch=watch)
    return show_result(folder, as_json=as_json)


@click.command("status")
@_FOLDER
@_JSON
def status(folder: Path, as_json: bool) -> int:
    """Tell how far the sweep in DIR is, part by part, from its journals; no host is asked.

    State: not begun; running (a hotkit is at work on it); finished; stopped (Ctrl-C, `stop`); cut
    off (hotkit ended without a word: the agent on the host may still be at work).

    \b
    Examples:
      hotkit sweep status results/first
      hotkit sweep status results/first --json | jq '.parts[] | {name, state, blocks}'

    Exit codes: 0 every part is finished or running; 1 one is not.
    """
    parts = status_of(folder)
    good = all(part.state in ("finished", "running") for part in parts)
    if as_json:
        document = {"folder": str(folder), "parts": [part.to_dict() for part in parts]}
        click.echo(json.dumps(document, indent=2))
        return ExitCode.OK if good else ExitCode.VERDICT_FAILED
    table = Table(box=None, pad_edge=False)
    for name in ("part", "state", "blocks", "runs", "blocks run again", "agents", "last event"):
        table.add_column(name, overflow="fold")
    for part in parts:
        table.add_row(
            part.name, part.state, f"{part.blocks}/{part.planned_blocks}",
            f"{part.runs}/{part.planned_runs}", str(part.reruns), str(part.sessions),
            part.last_event or "-",
        )  # fmt: skip
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 140).print(table)
    for part in parts:
        if part.enough:
            click.echo(f"{part.name}: {part.enough}")
    if not good:
        click.echo(f"go on: hotkit sweep resume {folder}")
    return ExitCode.OK if good else ExitCode.VERDICT_FAILED


@click.command("stop")
@_FOLDER
@click.option("--now", is_flag=True, help="In the middle of a run; else after the one under way.")
@click.option("--after-block", is_flag=True, help="After the block that is under way.")
def stop(folder: Path, now: bool, after_block: bool) -> int:
    """Stop the agents of the sweep in DIR, from any terminal, also when no hotkit follows them.

    What was measured stays; `hotkit sweep resume DIR` goes on. The agent puts back every knob.

    \b
    Examples:
      hotkit sweep stop results/first
      hotkit sweep stop results/first --now

    Exit codes: 0 told, or nothing was at work; 3 a host cannot be reached.
    """
    when = "now" if now else "block" if after_block else "run"
    for sentence in stop_sweep(folder, when):
        click.echo(sentence)
    return ExitCode.OK


@click.command("watch")
@_FOLDER
def watch(folder: Path) -> int:
    """Look on while the sweep in DIR runs: the same live view, from any terminal.

    Ctrl-C ends the looking, never the sweep.

    \b
    Examples:
      hotkit sweep watch results/first

    Exit codes: those of `hotkit sweep status`, once no hotkit is at work on it.
    """
    with live() as show:
        for parts in follow(folder):
            for one in parts:
                show(one.progress())
            time.sleep(0.5)
    states = {part.state for part in status_of(folder)}
    click.echo(f"{folder}: {', '.join(sorted(states))}")
    return ExitCode.OK if states <= {"finished", "running"} else ExitCode.VERDICT_FAILED
