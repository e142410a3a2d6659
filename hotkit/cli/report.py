"""`hotkit report`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from hotkit.errors import ExitCode, HotkitError
from hotkit.report.flushreport import FORMS, flushes_file, print_flushes
from hotkit.report.group import group_dict, print_group
from hotkit.report.sweepreport import print_report, report_dict
from hotkit.sweep.group import SweepGroup, load_group
from hotkit.sweep.report import write_result


@click.command("report")
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as one self-contained HTML file.",
)
@click.option(
    "--pdf",
    "pdf_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw all figures into this PDF.",
)
@click.option(
    "--svg",
    "svg_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The same as SVG, with its text as text.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option(
    "--table",
    type=click.Choice(["flushes"]),
    help="This table alone: TLB flushes and elapsed time by where and what.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    help="The table of --table in this format on stdout.",
)
def command(
    folder: Path,
    html_file: Path | None,
    pdf_file: Path | None,
    svg_file: Path | None,
    as_json: bool,
    table: str | None,
    form: str | None,
) -> int:
    """Report a sweep, from its directory alone: verdict, figures, environment, how to repeat it.

    The trust verdict goes first. Then slow-down and overhead per sample with their intervals as
    tables and forest plots, accuracy against cost with the Pareto front, the counters that moved,
    the machine, and the commands and hashes with which a reader who was not there runs it again.
    Of a session that is not trustworthy everything that would rank trackers is withheld.

    The HTML file needs no network and no script, follows the reader's light or dark setting and
    prints well. Every table and figure carries its unit and the machine's label.

    Of a sweep of several parts (layouts, boots, hosts, workloads) first how many can be trusted,
    then a matrix of arms against layouts and workloads, then what boots and hosts say together. The
    HTML file has each part's whole report below; hotkit report DIR/parts/NAME is one of them.

    --table flushes is the table of who flushed TLBs how often, arm by arm: KVM, host and guest,
    with the elapsed time beside it and the difference to off.

    \b
    Examples:
      hotkit report results/first
      hotkit report results/first --html first.html --pdf first.pdf
      hotkit report results/first --json | jq .counters
      hotkit report results/nested --table flushes --format latex > flushes.tex

    What each part says: docs/report.md.

    Exit codes: 0 ok; 2 no sweep, or a file that cannot be written; 5 a statistic is undefined or
    the session, or any part, is not trustworthy (the files are written all the same).
    """
    endings = ((html_file, (".html", ".htm")), (pdf_file, (".pdf",)), (svg_file, (".svg",)))
    for path, allowed in endings:
        if path is not None and path.suffix.lower() not in allowed:
            raise HotkitError(
                f"{path}: does not end in {allowed[0]}", hint=f"like {folder.name}{allowed[0]}"
            )
    files = [path for path, _ in endings if path is not None]
    if form and not table:
        raise HotkitError(
            f"--format {form} is of a --table", hint=f"hotkit export {folder} --format {form}"
        )
    if table and files:
        raise HotkitError(f"{files[0]}: --table writes no file", hint="take --format, or leave it")
    group = load_group(folder)
    if table:
        _flushes(group, "json" if as_json else form)
        return group.exit_code
    if html_file is not None:
        write_result(html_file, _html(group).encode(), folder)
    for path, kind in ((pdf_file, "pdf"), (svg_file, "svg")):
        if path is not None:
            write_result(path, _figure(group, kind), folder)
    if as_json:
        found = report_dict(group.only) if group.only else group_dict(group)
        click.echo(json.dumps(found, indent=2, allow_nan=False))
    else:
        # A log file is as wide as it needs to be; a terminal is as wide as it is.
        width = None if sys.stdout.isatty() else 120
        console = Console(file=sys.stdout, highlight=False, width=width)
        if group.only:
            print_report(group.only, console)
        else:
            print_group(group, console)
    return group.exit_code


def _flushes(group: SweepGroup, form: str | None) -> None:
    if form:
        click.echo(flushes_file(group, form), nl=False)
        return
    # A log file is as wide as it needs to be; a terminal is as wide as it is.
    width = None if sys.stdout.isatty() else 140
    print_flushes(group, Console(file=sys.stdout, highlight=False, width=width))


# matplotlib and jinja2 take a second to import: only who wants a file pays for them.


def _html(group: SweepGroup) -> str:
    if group.only:
        from hotkit.report.sweephtml import html

        return html(group.only)
    from hotkit.report.grouphtml import group_html

    return group_html(group)


def _figure(group: SweepGroup, kind: str) -> bytes:
    if group.only:
        from hotkit.report.sweepfigure import whole_figure

        return whole_figure(group.only, kind)
    from hotkit.report.groupfigure import group_figure

    blob = group_figure(group, kind)
    if blob is None:
        raise HotkitError(
            f"{group.folder}: no part has a figure that counts",
            hint=f"why: hotkit report {group.folder}; each by itself: {group.folder}/parts/NAME",
            exit_code=ExitCode.NOT_TRUSTWORTHY,
        )
    return blob
