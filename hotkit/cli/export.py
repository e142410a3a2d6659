"""`hotkit export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hotkit.errors import HotkitError
from hotkit.report.export import FORMATS
from hotkit.report.group_words import group_verdict
from hotkit.report.groupexport import export_group
from hotkit.sweep.group import load_group
from hotkit.sweep.report import write_result


@click.command("export")
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--format", "form", required=True, type=click.Choice(list(FORMATS)), help="Which format."
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write into this file (default: stdout).",
)
def command(folder: Path, form: str, output: Path | None) -> int:
    """Export a sweep: its runs, its tables, or its raw times for another tool.

    \b
    csv, parquet   one row per run: times, samples, accuracy, every counter; units in column names
    json           what `hotkit report --json` gives, and the runs
    markdown       the tables of results, for a README
    latex          the same for a paper (booktabs)
    hyperfine, pyperf, benchstat
                   raw times, one list per arm, for a second opinion

    The machine's label (metal, virtual, emulated) is in every format, and so is the verdict. The
    last three compare lists without pairs, so they need more runs to see the same effect; the files
    say so. Tables of a session that is not trustworthy hold no overhead per sample.

    Of a sweep of several parts the rows are those of all parts (columns host, layout, boot,
    workload), the tables its matrix and what boots and hosts say together. The last three formats
    are of one part: name DIR/parts/NAME.

    \b
    Examples:
      hotkit export results/first --format csv -o runs.csv
      hotkit export results/first --format latex > table.tex
      hotkit export results/first --format pyperf -o first.json && pyperf stats first.json
      hotkit export results/first --format benchstat > first.txt && benchstat -col /arm first.txt

    Columns and fields: docs/report.md.

    Exit codes: 0 ok; 2 no sweep, or a file that cannot be written; 5 exported, but a statistic is
    undefined or the session is not trustworthy.
    """
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise HotkitError("parquet is no text for a terminal", hint="name a file with -o")
    group = load_group(folder)
    blob = FORMATS[form](group.only) if group.only else export_group(group, form)
    if output is not None:
        write_result(output, blob, folder)
    else:
        click.echo(blob, nl=False)
    if not group.trusted:
        doubt = group.only.analysis.untrusted[0] if group.only else group_verdict(group).lines[0]
        click.echo(f"hotkit: {folder}: NOT TRUSTWORTHY: {doubt}", err=True)
    return group.exit_code
