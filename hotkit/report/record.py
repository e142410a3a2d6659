"""A recording on the terminal: map, working set, hot ranges, and what truth says to them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.imported import Imported
from hotkit.core.labels import Label, Platform
from hotkit.core.record import (
    Recording,
    agreement,
    hot_ranges,
    noticed_s,
    over_time,
    working_set_percentiles,
)
from hotkit.core.regions import RegionSnapshots
from hotkit.core.units import format_size
from hotkit.report import regionreport
from hotkit.report.heatmap import HeatMap, caption
from hotkit.report.regionreport import accessed_percentiles, frequency, source_lines

MAP_LINES = 24
_FEWEST_LINES = 6
# Lines of the live view that are not the map: title, caption, axis, legend, and one to spare.
_OTHER_LINES = 6
_MOST_RANGES = 12


class Result(Protocol):
    """What is needed of a RecordResult (hotkit/record.py)."""

    @property
    def recording(self) -> Recording: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...
    @property
    def machine(self) -> Mapping[str, Any]: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def sample(self) -> Mapping[str, Any] | None: ...
    @property
    def host(self) -> str: ...
    @property
    def tracker(self) -> str: ...
    @property
    def label(self) -> Label: ...
    @property
    def folder(self) -> Path: ...
    @property
    def imported(self) -> Imported | None: ...
    @property
    def chosen(self) -> int: ...
    @property
    def regions(self) -> RegionSnapshots | None: ...


class SceneLike(Protocol):
    """What is needed of a Scene (hotkit/record.py)."""

    @property
    def host(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def tracker(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def label(self) -> Label | None: ...
    @property
    def recording(self) -> Recording | None: ...
    @property
    def wanted_s(self) -> float | None: ...


def title(host: str, tracker: str, settings: Mapping[str, Any], label: Label | None) -> str:
    """Host, tracker with its settings, label: what every picture of a recording says.

    Where its threads run is left out when that is the default, beside the workload.
    """
    silent = {"pinned": (), "spare": ("cpu",)}.get(str(settings.get("placement")))
    if silent is None:
        silent = ("cpu", "placement")
    chosen = ", ".join(
        f"{key} {value}" for key, value in sorted(settings.items()) if key not in silent
    )
    words = f"{host}: {tracker}" + (f" ({chosen})" if chosen else "")
    return f"{words} [{label}]" if label else words


def scene_line(scene: SceneLike, elapsed_s: float) -> Text:
    """Where the recording stands, in one line."""
    line = Text(
        title(scene.host, scene.tracker, scene.settings, scene.label),
        style="bold", no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
    line.append(f"  {scene.step}  {elapsed_s:.0f} s", style="not bold dim")
    return line


def scene_view(scene: SceneLike, elapsed_s: float, height: int) -> RenderableType:
    """The live view, for a terminal of `height` lines."""
    head = scene_line(scene, elapsed_s)
    recording = scene.recording
    if recording is None:
        return head
    lines = min(MAP_LINES, max(_FEWEST_LINES, height - _OTHER_LINES))
    until = int(recording.at_ns[-1])
    if scene.wanted_s and scene.step != "done":
        # The map fills from the left; a run that the tracker slows down pushes its end further.
        until = max(until, int(recording.since_ns[0]) + round(1e9 * scene.wanted_s))
    return Group(
        head,
        HeatMap(recording, lines=lines, until_ns=until),
        Text(caption(recording), style="dim"),
    )


def print_recording(result: Result, console: Console, at_least: float) -> None:
    """The whole report on the terminal; a bin is hot from a share of `at_least` (0 to 1) on."""
    recording = result.recording
    name = title(result.host, result.tracker, result.settings, result.label)
    console.print(Text(name, style="bold"), soft_wrap=True)
    for line in source_lines(result.imported, result.chosen) if result.imported else ():
        console.print(line, soft_wrap=True)
    if result.label.platform is Platform.EMULATED:
        console.print("EMULATED: shows what a tracker sees, never what it costs on hardware")
    if result.sample is None:
        console.print("CUT OFF: the run did not end; this is what was recorded until then")
    console.print(HeatMap(recording, lines=MAP_LINES))
    console.print(caption(recording))
    if not recording.heat_seen:
        console.print("Nothing was found accessed in any bin at any time.")
    if recording.looked_fraction < 1:
        console.print(
            f"Looked at: {100 * recording.looked_fraction:.1f} % of this memory and time; what was"
            " not is neither hot nor cold, and the working set is a lower bound."
        )
    console.print()
    console.print(_working_set_table(result))
    console.print(_ranges_table(result, at_least))
    for line in statements(result, at_least):
        console.print(f"  {line}", soft_wrap=True)
    files = "  (manifest.json, journal.jsonl, raw/)" if result.folder.is_dir() else ""
    console.print(
        f"\n[bold]Data[/]  {result.folder}{files}\n"
        f"      kernel {result.machine['kernel_release']}, {result.label}"
        f" ({result.label.evidence})",
        soft_wrap=True,
    )


def _working_set_table(result: Result) -> Table:
    table = Table(
        title=f"Working set: bytes found accessed in a step ({result.label})",
        title_justify="left",
    )
    found = working_set_percentiles(result.recording)
    table.add_column("percentile of the steps")
    for key in found:
        table.add_column(f"{key} %", justify="right")
    table.add_row("size", *(format_size(round(size)) for size in found.values()))
    if result.regions is not None:
        whole = accessed_percentiles(result.regions)
        table.add_row("regions accessed", *(format_size(round(size)) for size in whole.values()))
    return table


def _ranges_table(result: Result, at_least: float) -> Table:
    found = hot_ranges(result.recording, at_least)
    table = Table(
        title=f"Hot ranges: mean share {100 * at_least:g} % or more ({result.label})",
        title_justify="left",
    )
    names = ["address", "offset", "size", "mean share"]
    known = result.regions if result.regions and result.regions.most_hz else None
    for name in [*names, "found a second"] if known else names:
        table.add_column(name, justify="left" if name == "address" else "right")
    base = result.recording.bins[0][0]
    for part in found[:_MOST_RANGES]:
        table.add_row(
            f"{part.start:#x}-{part.end:#x}",
            f"+{format_size(part.start - base)}",
            format_size(part.end - part.start),
            f"{100 * part.share:.1f} %",
            *([frequency(known, part.share)] if known else []),
        )
    if not found:
        table.add_row("none")
    elif len(found) > _MOST_RANGES:
        table.add_row(f"and {len(found) - _MOST_RANGES} more (--json lists all)")
    return table


def statements(result: Result, at_least: float) -> list[str]:
    """The sentences below the tables: ground truth, samples."""
    said = []
    found = agreement(result.recording, at_least)
    if found is None:
        # A hot range that moves is told with the end of the run.
        why = "of this workload" if result.sample else "of a run that was cut off"
        said.append(f"ground truth: not known {why}")
    else:
        mean = {
            name: _percent(over_time(getattr(found, name), result.recording))
            for name in ("found", "right", "inside", "outside")
        }
        said += [
            f"ground truth: {mean['found']} of the hot memory was called hot;"
            f" {mean['right']} of what was called hot is hot",
            f"ground truth: share accessed inside the hot range {mean['inside']},"
            f" outside {mean['outside']}; where these are alike the tracker cannot tell them apart",
        ]
    if moves := noticed_s(result.recording, at_least):
        times = ", ".join("never" if time is None else f"{time:.2f} s" for time in moves)
        said.append(f"ground truth: the hot set moved {len(moves)} times; noticed after {times}")
    sample = result.sample
    if sample is not None:
        units = sample["units"]
        said.append(
            f"samples: {sample['examined']:,} ({units['examined']}), {sample['positive']:,}"
            f" ({units['positive']}), {sample['lost']:,} lost, in {sample['rounds']:,} rounds"
        )
    return said


def to_dict(result: Result, at_least: float) -> dict[str, Any]:
    """The `--json` document: bytes, seconds, shares from 0 to 1; null where undefined."""
    recording = result.recording
    found = agreement(recording, at_least)
    names = ("found", "right", "inside", "outside")
    return {
        "schema_version": 1,
        "label": result.label.to_dict(),
        "host": result.host,
        "folder": str(result.folder),
        "kernel_release": result.machine["kernel_release"],
        "tracker": result.tracker,
        "settings": dict(result.settings),
        "complete": result.sample is not None,
        "imported": None
        if result.imported is None
        else regionreport.to_dict(result.imported, result.chosen),
        "duration_s": recording.duration_s,
        "steps": recording.steps,
        "bins": len(recording.bins),
        "size_bytes": recording.size_bytes,
        "looked_fraction": recording.looked_fraction,
        "working_set_bytes": {
            str(key): size for key, size in working_set_percentiles(recording).items()
        },
        "hot_at_least": at_least,
        "hot_ranges": [
            {"start": part.start, "end": part.end, "share": part.share}
            for part in hot_ranges(recording, at_least)
        ],
        "truth": None
        if found is None
        else {name: _number(over_time(getattr(found, name), recording)) for name in names},
        "noticed_s": list(noticed_s(recording, at_least)),
        "phases": [
            {
                "since_ns": phase.since_ns,
                "hot_start": phase.hot_start,
                "hot_bytes": phase.hot_bytes,
            }
            for phase in recording.phases
        ],
    }


def _percent(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{100 * value:.1f} %"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
