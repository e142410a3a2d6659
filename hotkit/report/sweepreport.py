"""The whole report of a sweep on the terminal and as JSON: `hotkit report`."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from hotkit.core.pareto import places
from hotkit.report.sweep import print_sweep, to_dict
from hotkit.report.sweep_more import (
    COUNTERS_NOTE,
    REPRODUCE_NOTE,
    FullResult,
    counters_table,
    environment,
    environment_table,
    hash_lines,
    pareto_lines,
    pareto_table,
    reproduce,
    sample_forests,
    slowdown_forest,
)
from hotkit.report.sweep_tables import in_guest


def print_report(result: FullResult, console: Console) -> None:
    """Verdict and tables as `hotkit sweep` prints them, then what a reader elsewhere needs."""
    print_sweep(result, console)
    width = min(console.width, 120) - 2
    if lines := slowdown_forest(result, width):
        _head(console, f"Slow-down against off, 95 % intervals ({result.label})")
        _lines(console, lines, wrap=False)
        margin = 100 * result.analysis.sesoi_fraction
        _lines(console, [f"│ 0   ┊ +-{margin:g} %, the smallest effect of interest"])
    for unit, lines in sample_forests(result, width):
        _head(console, f"ns per {unit}, 95 % intervals ({result.label})")
        _lines(console, lines, wrap=False)
    found = places(result.analysis)
    if table := pareto_table(result, found):
        console.print()
        console.print(table)
        _lines(console, pareto_lines(found))
    if table := counters_table(result, result.moved):
        console.print()
        console.print(table)
        _lines(console, [COUNTERS_NOTE])
    if in_guest(result.analysis):
        _lines(console, [f"TLB flushes: hotkit report {result.folder} --table flushes"], wrap=False)
    console.print()
    console.print(environment_table(result))
    again = reproduce(result)
    _head(console, f"To run it again ({result.label})")
    # A command that is broken over two lines cannot be copied.
    _lines(console, again["commands"], wrap=False)
    _lines(console, hash_lines(again), wrap=False)
    _lines(console, [REPRODUCE_NOTE])


def report_dict(result: FullResult) -> dict[str, Any]:
    """What `hotkit sweep DIR --json` gives, with counters, Pareto front, environment and commands.

    Times in seconds, counters in their own unit per run; `pareto` is null where nothing may be
    ranked.
    """
    analysis = result.analysis
    return {
        **to_dict(result),
        "pareto": [
            {
                "arm": place.arm,
                "slowdown_fraction": place.cost,
                "top": place.gain,
                "on_front": place.on_front,
            }
            for place in places(analysis)
        ]
        if analysis.trusted
        else None,
        "counters": {
            arm: [
                {
                    "counter": it.counter,
                    "unit": it.unit,
                    "off": it.off,
                    "on": it.on,
                    "change": it.change,
                    "interval": [it.interval.low, it.interval.high] if it.interval else None,
                }
                for it in changes
            ]
            for arm, changes in result.moved.items()
        },
        "environment": environment(result),
        "reproduce": reproduce(result),
    }


def _head(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", style="bold"))


def _lines(console: Console, lines: list[str], *, wrap: bool = True) -> None:
    for line in lines:
        console.print(Text(f"  {line}"), soft_wrap=not wrap)
