"""Two recordings on the terminal, and as JSON: what differs, working sets, hot memory, changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotkit.core.record import working_set_percentiles
from hotkit.core.recorddiff import CHANGED_SHARE, By, RecordDiff
from hotkit.core.units import format_size
from hotkit.report.record import Result, title

_MOST_CHANGES = 12


def differences(before: Result, after: Result) -> list[str]:
    """What beside the memory is not the same in both: then a share may mean something else."""
    said = []
    pairs = (
        ("tracker", before.tracker, after.tracker),
        ("settings", dict(before.settings), dict(after.settings)),
        ("platform", str(before.label), str(after.label)),
        ("kernel", before.machine["kernel_release"], after.machine["kernel_release"]),
    )
    for name, one, two in pairs:
        if one != two:
            said.append(f"{name}: A {_words(one)}, B {_words(two)}")
    relative = [bool(one.regions and one.regions.relative) for one in (before, after)]
    if relative[0] != relative[1]:
        which = "A" if relative[0] else "B"
        said.append(f"shares of {which} are relative to the most that was seen, the other's not")
    return said


def print_diff(
    found: RecordDiff, before: Result, after: Result, console: Console, at_least: float
) -> None:
    for name, one in (("A", before), ("B", after)):
        words = f"{name}  {title(one.host, one.tracker, one.settings, one.label)}"
        console.print(Text(words, style="bold"), soft_wrap=True)
    for line in differences(before, after):
        console.print(f"Not alike: {line}", soft_wrap=True, markup=False)
    if found.by is By.OFFSET:
        console.print("Compared by the offset into the recorded memory, gaps left out.")
    console.print(
        f"Looked at in both: {format_size(found.common)}; in A alone"
        f" {format_size(found.only_before)}, in B alone {format_size(found.only_after)}.\n"
        f"{100 * found.alike:.1f} % of it is as hot in B as in A, to"
        f" {100 * CHANGED_SHARE:g} points.\n"
    )
    console.print(_figures(found, before, after, at_least))
    console.print(_changes(found, before))


def _figures(found: RecordDiff, before: Result, after: Result, at_least: float) -> Table:
    table = Table("", "A", "B", title="Working set of a step, and hot memory", title_justify="left")
    sizes = [working_set_percentiles(one.recording) for one in (before, after)]
    for key in sizes[0]:
        cells = (format_size(round(one[key])) if key in one else "" for one in sizes)
        table.add_row(f"working set, {key} %", *cells)
    table.add_row(
        "mean share of what both looked at",
        f"{100 * found.mean_before:.1f} %", f"{100 * found.mean_after:.1f} %",
    )  # fmt: skip
    table.add_row(
        f"hot (mean share {100 * at_least:g} % or more)",
        format_size(found.hot_before), format_size(found.hot_after),
    )  # fmt: skip
    table.add_row("hot in both", format_size(found.hot_both), format_size(found.hot_both))
    return table


def _changes(found: RecordDiff, before: Result) -> Table:
    table = Table(
        "offset" if found.by is By.OFFSET else "address", "size", "A", "B", "",
        title="Memory that is hotter or colder in B", title_justify="left",
    )  # fmt: skip
    for one in found.changes[:_MOST_CHANGES]:
        table.add_row(
            f"{one.start:#x}-{one.end:#x}",
            format_size(one.end - one.start),
            f"{100 * one.before:.1f} %",
            f"{100 * one.after:.1f} %",
            "hotter" if one.after > one.before else "colder",
        )
    if not found.changes:
        table.add_row("none")
    elif len(found.changes) > _MOST_CHANGES:
        table.add_row(f"and {len(found.changes) - _MOST_CHANGES} more (--json lists all)")
    return table


def to_dict(found: RecordDiff, before: Result, after: Result, at_least: float) -> dict[str, Any]:
    """The `--json` document: bytes, and shares from 0 to 1."""
    return {
        "schema_version": 1,
        "recordings": [
            {
                "folder": str(one.folder), "host": one.host, "tracker": one.tracker,
                "settings": dict(one.settings), "label": one.label.to_dict(),
                "working_set_bytes": {
                    str(key): size for key, size in working_set_percentiles(one.recording).items()
                },
            }
            for one in (before, after)
        ],
        "not_alike": differences(before, after),
        "hot_at_least": at_least,
        **asdict(found),
        "by": str(found.by),
    }  # fmt: skip


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in sorted(value.items())) or "none"
    return str(value)
