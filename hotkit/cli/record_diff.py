"""`hotkit record diff`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hotkit.cli.recordoptions import foreign_options, hot_option, open_record
from hotkit.core.recorddiff import By, compare
from hotkit.errors import ExitCode, HotkitError
from hotkit.report.recorddiff import print_diff, to_dict

_SOURCE = click.Path(exists=True, path_type=Path)


@click.command("diff")
@click.argument("before", metavar="A", type=_SOURCE)
@click.argument("after", metavar="B", type=_SOURCE)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option(
    "--by",
    type=click.Choice([str(one) for one in By]),
    help="What makes two pieces of memory the same one (default: their address, unless the two"
    " have none in common).",
)
@click.option(
    "--targets",
    metavar="N,N",
    help="Of records of several targets: which one of A and of B, as their reports count them.",
)
@hot_option
@foreign_options
def command(
    before: Path,
    after: Path,
    as_json: bool,
    by: str | None,
    targets: str | None,
    hot: float,
    **how: Any,
) -> int:
    """Compare two recordings: which memory is hotter in B, which colder.

    A and B are directories of recordings or files of damo, perf or memtierd, also one of each: two
    trackers over the same run, or the same tracker before and after a change. What beside the
    memory differs (tracker, settings, machine) is said first, since a share may then mean another
    thing. Only memory that both looked at is compared.

    Addresses are drawn at random for every process: two runs are compared by offset.

    \b
    Examples:
      hotkit record diff results/before results/after
      hotkit record diff results/seen damon.data --by offset
      hotkit record diff A B --json | jq .hot_both

    Exit codes: 0 ok; 2 no recording; 5 there is no memory that both looked at.
    """
    chosen = _targets(targets)
    one = open_record(before, chosen[0], **how)
    two = open_record(after, chosen[1], **how)
    try:
        found = compare(one.recording, two.recording, by=By(by) if by else None, at_least=hot / 100)
    except ValueError as error:
        raise HotkitError(
            f"{before} and {after}: {error}",
            hint="--by offset compares by the place in the recorded memory",
            exit_code=ExitCode.NOT_TRUSTWORTHY,
        ) from error
    if as_json:
        click.echo(json.dumps(to_dict(found, one, two, hot / 100), indent=2, allow_nan=False))
    else:
        width = None if sys.stdout.isatty() else 120
        console = Console(file=sys.stdout, highlight=False, width=width)
        print_diff(found, one, two, console, hot / 100)
    return 0


def _targets(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    try:
        one, two = map(int, text.split(","))
    except ValueError:
        raise HotkitError(f"--targets {text}: not two numbers", hint="like --targets 1,2") from None
    return one, two
