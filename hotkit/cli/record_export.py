"""`hotkit record export`."""

from __future__ import annotations

from pathlib import Path

import click

from hotkit.cli.recordoptions import intervals_option, open_record, target_option
from hotkit.core.regionmap import regions_of
from hotkit.core.regions import Intervals, RegionSnapshots
from hotkit.errors import HotkitError
from hotkit.report.damorecord import damo_json, packed
from hotkit.report.regionreport import source_lines

_FORMS = ("damo", "damo-json")


@click.command("export")
@click.argument("source", metavar="DIR|FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "to",
    type=click.Choice(_FORMS),
    default="damo",
    show_default=True,
    help="damo is its json_compressed, damo-json its json.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write into this new file.",
)
@target_option
@intervals_option
def command(
    source: Path, to: str, output: Path, target: int | None, intervals: Intervals | None
) -> int:
    """Write a recording as a record that damo reads.

    Of an import the regions, counts, ages and intervals go out as they came in, those of all
    targets unless one is chosen. Of a recording of hotkit's own each step becomes a snapshot and
    adjacent bins of one share a region; a share becomes accesses out of 100 checks, and what nobody
    looked at is in no region.

    \b
    Examples:
      hotkit record export results/seen -o damon.data && damo report heatmap -i damon.data
      hotkit record export results/seen --format damo-json -o seen.json
      hotkit record export trace.txt --intervals 5000,100000 -o damon.data

    damo asks `file` what it is given: a damo-json that some versions of it call "JSON text data" is
    refused by damo, not by hotkit.

    Exit codes: 0 ok; 1 the disk refuses; 2 no recording, or a file that is there.
    """
    result = open_record(source, target, intervals=intervals)
    targets: tuple[RegionSnapshots, ...]
    if result.imported is None:
        targets = (regions_of(result.recording),)
    elif target is not None:
        targets = (result.imported.targets[result.chosen],)
    else:
        targets = result.imported.targets
    text = damo_json(targets)
    try:
        with output.open("xb") as file:
            for piece in packed(text) if to == "damo" else text:
                file.write(piece)
    except FileExistsError as error:
        raise HotkitError(f"{output}: exists already, nothing is overwritten") from error
    except OSError as error:
        raise HotkitError(f"{output}: cannot be written: {error.strerror}") from error
    if result.imported is not None:
        click.echo(source_lines(result.imported, result.chosen)[0])
    regions = sum(one.regions for one in targets)
    click.echo(f"Written to {output}: {len(targets)} targets, {regions:,} regions")
    return 0
