"""`hotkit record`: heat over address and time, live and from a recording."""

from __future__ import annotations

import click

from hotkit.cli.lazygroup import LazyGroup

# Commands that live in modules of their own.
_ELSEWHERE = {
    "diff": "record_diff",
    "export": "record_export",
    "import": "record_import",
    "report": "record_report",
    "watch": "record_watch",
}


@click.group("record", cls=LazyGroup, elsewhere=_ELSEWHERE)
def command() -> None:
    """Watch what a tracker sees: a heat map of memory over time, live or from a recording.

    `watch` runs a workload once under one tracker and draws the map as it comes; `report` reads a
    recording again and writes PNG or SVG, `diff` compares two. Where the workload's hot memory is
    known, that truth stands beside the map: it shows at a glance whether a tracker finds it.

    `import` keeps a record of damo, perf or memtierd as a recording, which all of these read, and
    `export` writes one that damo reads.

    A recorded run costs more than an unrecorded one. What a tracker costs is for `hotkit sweep`.
    """
