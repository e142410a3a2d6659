"""`hotkit compare`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from hotkit.errors import ExitCode
from hotkit.report.sweepcompare import print_comparison, to_dict
from hotkit.sweep.compare import compare_sweeps


@click.command("compare")
@click.argument(
    "folders",
    metavar="A B [...]",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(folders: tuple[Path, ...], as_json: bool) -> int:
    """Compare sweeps: what differs between them, their estimates side by side, and merged.

    Another platform (emulated, virtual, metal) or another workload: nothing is compared. Another
    host, kernel, command line, knob or program: the figures stand side by side and are never
    merged. Seed, blocks and boot may differ. Where all that must agree agrees, three sessions or
    more give one figure over them, made of one estimate per session.

    Of a session that is not trustworthy no figure is shown or merged.

    \b
    Examples:
      hotkit compare results/first results/second
      hotkit compare results/boot-* --json | jq .arms[].merged_slowdown

    What must agree, and why: docs/report.md.

    Exit codes: 0 ok; 2 a directory is no sweep, or named twice; 5 nothing may be compared.
    """
    found, results = compare_sweeps(folders)
    if as_json:
        click.echo(json.dumps(to_dict(found, results), indent=2, allow_nan=False))
    else:
        width = None if sys.stdout.isatty() else 120
        print_comparison(found, results, Console(file=sys.stdout, highlight=False, width=width))
    return ExitCode.NOT_TRUSTWORTHY if found.refused else ExitCode.OK
