"""`hotkit record import`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hotkit.cli.recordoptions import foreign_options
from hotkit.core.labels import Platform
from hotkit.recordimport import import_record
from hotkit.report.regionreport import source_lines


@click.command("import")
@click.argument(
    "file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the recording in this new directory.",
)
@click.option(
    "--platform",
    type=click.Choice([str(one) for one in Platform]),
    default=str(Platform.UNKNOWN),
    show_default=True,
    help="What kind of machine it was recorded on: no record tells.",
)
@foreign_options
def command(file: Path, out: Path, platform: str, **how: Any) -> int:
    """Keep the record of another tool as a recording: damo, perf, memtierd.

    What FILE is is found out by its first bytes:

    \b
      damo         damo's json_compressed or json
      damon-trace  DAMON's tracepoints as text: damo's perf_script, perf script, trace-cmd, ftrace
      perf-data    perf.data of those tracepoints or of samples with addresses; perf reads it
      perf-mem     perf script's text of such samples: mem-loads, IBS, page faults
      memtierd     what its prompt says to `tracker -dump raw new`

    Regions, counts and times are kept as they were, of all targets; report, watch, diff and export
    read the directory. What a format does not tell (DAMON's intervals, what was lost) is said.

    \b
    Examples:
      hotkit record import damon.data --out results/seen
      hotkit record import trace.txt --intervals 5000,100000 --out results/seen
      perf script -F comm,pid,tid,cpu,time,period,event,addr,weight,ip,sym,dso > loads.txt
      hotkit record import loads.txt --every 100 --out results/loads

    What each format holds and what becomes of it: docs/record.md.

    Exit codes: 0 ok; 2 a file that cannot be read, with line or byte.
    """
    result = import_record(file, out, platform=platform, **how)
    assert result.imported is not None
    for line in source_lines(result.imported, result.chosen):
        click.echo(line)
    click.echo(f"Kept in {out}: hotkit record report {out}")
    return 0
