"""`hotkit record report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hotkit.cli.recordoptions import (
    foreign_options,
    hot_option,
    open_record,
    print_result,
    target_option,
)
from hotkit.errors import HotkitError
from hotkit.report.record import to_dict

_FIGURES = (".png", ".svg")


@click.command("report")
@click.argument("source", metavar="DIR|FILE", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option(
    "--png",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the map into this file too.",
)
@click.option(
    "--svg",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The same as SVG, with its text as text.",
)
@hot_option
@target_option
@foreign_options
def command(
    source: Path,
    as_json: bool,
    png: Path | None,
    svg: Path | None,
    hot: float,
    target: int | None,
    **how: Any,
) -> int:
    """Show a recording: heat map, working set, hot ranges, and what the ground truth says.

    DIR is a recording; FILE is one of damo, perf or memtierd as it is: what is read of it is not
    kept (`hotkit record import` does that).

    The working set is what was found accessed in one step, in bytes; its percentiles are over the
    steps. A hot range is made of adjacent bins whose mean share is at least --hot. A figure carries
    label and tracker in its title: emulated shows what a tracker sees, never what it costs.

    \b
    Examples:
      hotkit record report results/seen
      hotkit record report results/seen --hot 80 --png seen.png --svg seen.svg
      hotkit record report results/seen --json | jq .working_set_bytes
      hotkit record report damon.data                  a record of damo
      hotkit record report damon.data --target 2       another of its targets

    Exit codes: 0 ok; 1 the journal does not hold what an agent sends; 2 no recording, or a file
    that cannot be read; 5 one without heat.
    """
    for path, ending in zip((png, svg), _FIGURES, strict=True):
        if path is not None and path.suffix.lower() != ending:
            raise HotkitError(f"{path}: does not end in {ending}", hint=f"like {source}{ending}")
    result = open_record(source, target, **how)
    for path in (png, svg):
        if path is not None:
            # matplotlib takes a second to import: only who wants a figure pays for it.
            from hotkit.report.recordfigure import write_figure

            write_figure(result, path)
    if as_json:
        click.echo(json.dumps(to_dict(result, hot / 100), indent=2, allow_nan=False))
    else:
        print_result(result, hot)
    return 0
