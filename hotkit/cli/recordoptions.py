"""Options that the commands of `hotkit record` share, and how they print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hotkit.core.record import HOT_SHARE
from hotkit.core.regions import Intervals
from hotkit.errors import HotkitError
from hotkit.parse.memsamples import EVERY_MS
from hotkit.parse.recordforms import FORMS
from hotkit.recordimport import read_record
from hotkit.recordreading import load_recording
from hotkit.recordresult import RecordResult
from hotkit.report.record import print_recording

# Of one figure of a record, those who read it choose whose memory.
target_option = click.option(
    "--target",
    metavar="N",
    type=click.IntRange(1),
    help="Of a record of several targets: which one, as the report counts them (default: the one"
    " with most memory).",
)


def _intervals(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> Intervals | None:
    if value is None:
        return None
    try:
        sample_us, aggr_us = map(float, value.split(","))
    except ValueError:
        raise HotkitError(
            f"--intervals {value}: not two numbers", hint="like --intervals 5000,100000"
        ) from None
    if not 0 < sample_us <= aggr_us < 1e12:
        raise HotkitError(
            f"--intervals {value}: the sampling interval is above 0 and not longer than the"
            " aggregation interval"
        )
    return Intervals(sample_us=sample_us, aggr_us=aggr_us)


intervals_option = click.option(
    "--intervals",
    metavar="SAMPLE,AGGR",
    callback=_intervals,
    help="DAMON's sampling and aggregation interval in microseconds, for a trace, which does not"
    " tell them (FILE.kdamonds beside it does).",
)


def hot_option(function: Callable[..., int]) -> Callable[..., int]:
    return click.option(
        "--hot",
        metavar="PERCENT",
        type=click.FloatRange(0, 100, min_open=True),
        default=100 * HOT_SHARE,
        show_default=True,
        help="Call a bin hot from this mean share accessed on.",
    )(function)


def foreign_options(function: Callable[..., int]) -> Callable[..., int]:
    """How another tool's record is to be read: `form`, `fields`, `every_ms`, `intervals`."""
    for option in (
        intervals_option,
        click.option(
            "--every",
            "every_ms",
            metavar="MS",
            type=click.IntRange(1, 3_600_000),
            default=EVERY_MS,
            show_default=True,
            help="Put samples of perf into steps of this length.",
        ),
        click.option(
            "--fields",
            metavar="LIST",
            help="The -F of the perf script that printed the samples (default: found out).",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(list(FORMS)),
            help="What the file is (default: found out by its first bytes).",
        ),
    ):
        function = option(function)
    return function


def open_record(source: Path, target: int | None, **how: Any) -> RecordResult:
    """A recording's directory, or another tool's file (`how` it is read: foreign_options)."""
    if source.is_dir():
        return load_recording(source, target)
    return read_record(source, target=target, **how)


def print_result(result: RecordResult, hot: float) -> None:
    # A log file is as wide as it needs to be; a terminal is as wide as it is.
    width = None if sys.stdout.isatty() else 120
    print_recording(result, Console(file=sys.stdout, highlight=False, width=width), hot / 100)
