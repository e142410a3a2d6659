"""A recording as a figure: PNG or SVG by matplotlib, which is imported for this alone."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hotkit.core.labels import Platform
from hotkit.core.record import Floats, Recording, pieces, truth
from hotkit.core.units import MIB, format_size
from hotkit.errors import HotkitError
from hotkit.report.record import Result, title

_SIZE_INCHES = (10.0, 5.5)
_DPI = 150
_NOT_LOOKED = "#999999"
_TRUTH = "#22d3ee"


def write_figure(result: Result, path: Path) -> None:
    """Write the heat map to `path`, whose ending says how (.png, .svg). Overwrites it.

    The same recording gives the same bytes. Raises HotkitError when the disk refuses.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise HotkitError(
            f"{path}: not a figure that can be written", hint="end it in .png or .svg"
        )
    figure = draw(result)
    # Ids from a fixed salt, and no date: a figure changes when its data does.
    with matplotlib.rc_context({"svg.hashsalt": "hotkit", "svg.fonttype": "none"}):
        try:
            figure.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else None)
        except OSError as error:
            raise HotkitError(f"{path}: cannot be written: {error.strerror}") from error


def draw(result: Result) -> Figure:
    """The figure: time in seconds, memory in MiB, colour in percent, label in the title."""
    recording = result.recording
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    begin = int(recording.since_ns[0])
    # Each step is as wide as it was long; between two steps there is no gap.
    times = np.concatenate([[0.0], (recording.at_ns - begin) / 1e9])
    memory = np.concatenate([[0.0], np.cumsum(recording.bin_bytes)]) / MIB
    axes.set_facecolor(_NOT_LOOKED)
    mesh = axes.pcolormesh(
        times, memory, np.ma.masked_invalid(100 * recording.share),
        cmap="inferno", vmin=0, vmax=100, shading="flat", rasterized=True,
    )  # fmt: skip
    axes.set_ylim(memory[-1], 0)
    axes.set_xlabel("time since tracking began (s)")
    axes.set_ylabel(_memory_label(recording))
    figure.colorbar(mesh, ax=axes, label="found accessed (% of what was looked at)")
    legend = [Patch(facecolor=_NOT_LOOKED, label="not looked at")]
    if recording.phases:
        _outline(axes, recording, times, memory)
        legend.append(Patch(fill=False, edgecolor=_TRUTH, label="hot range (ground truth)"))
    figure.legend(handles=legend, loc="outside lower left", ncols=2, fontsize=8)
    lines = [title(result.host, result.tracker, result.settings, result.label)]
    if result.label.platform is Platform.EMULATED:
        lines.append("EMULATED: shows what a tracker sees, never what it costs on hardware")
    if result.sample is None:
        lines.append("CUT OFF: the run did not end")
    axes.set_title("\n".join(lines), fontsize=9, wrap=True)
    return figure


def _memory_label(recording: Recording) -> str:
    parts = pieces(recording)
    if len(parts) == 1:
        return f"address - {parts[0][0]:#x} (MiB)"
    return f"offset into {len(parts)} ranges, {format_size(recording.size_bytes)} (MiB)"


def _outline(axes: Axes, recording: Recording, times: Floats, memory: Floats) -> None:
    """The edge of the hot range: where more than half of a bin is hot and its neighbour not."""
    framed = np.pad(np.nan_to_num(truth(recording)) > 0.5, 1)
    lines = [
        [(times[column], memory[row]), (times[column + 1], memory[row])]
        for row, column in np.argwhere(framed[1:, 1:-1] != framed[:-1, 1:-1])
    ]
    lines += [
        [(times[column], memory[row]), (times[column], memory[row + 1])]
        for row, column in np.argwhere(framed[1:-1, 1:] != framed[1:-1, :-1])
    ]
    axes.add_collection(LineCollection(lines, colors=_TRUTH, linewidths=1.2))
