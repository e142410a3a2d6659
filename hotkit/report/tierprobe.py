"""What `hotkit verify --probe` prints: how far each node's memory is, and what that shows."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.tierprobe import TierProbe
from hotkit.core.units import format_size


def probe_block(probe: TierProbe) -> RenderableType:
    """The table of latencies and bandwidths, a sentence per slow tier, and the machine's words."""
    table = Table(
        title=_title(probe), title_justify="left", title_style="bold", show_edge=False,
        pad_edge=False,
    )  # fmt: skip
    for name in ("CPUs of", "memory of", "latency, ns", "(least to most)", "read, MiB/s"):
        table.add_column(name, no_wrap=True, justify="left" if " of" in name else "right")
    table.add_column("pages there", no_wrap=True, justify="right")
    for row in probe.rows:
        table.add_row(
            f"node {row.cpu_node}",
            f"node {row.memory_node}",
            f"{median(row.latency_ns):.1f}",
            f"{min(row.latency_ns):.1f} to {max(row.latency_ns):.1f}",
            f"{median(row.read_mib_s):.0f}",
            "all" if not row.misplaced else f"{row.pages_on_node} of {row.pages}",
        )
    lines: list[RenderableType] = [table]
    if probe.llc_bytes and probe.bytes_probed <= probe.llc_bytes:
        lines.append(
            Text(
                f"The {format_size(probe.bytes_probed)} probed fit the last-level cache"
                f" ({format_size(probe.llc_bytes)}): these are latencies of the cache.",
                style="yellow",
            )
        )
    for item in probe.verdicts:
        lines.append(Text(item.sentence, style="" if item.shown else "yellow"))
    if not probe.verdicts:
        lines.append(Text("There is one node with memory: no other tier to compare it with."))
    for said in probe.says:
        lines.append(Text(f"{said['what']}: {_found(said)}"))
    lines.append(Text())
    return Group(*lines)


def _title(probe: TierProbe) -> Text:
    return Text(
        f"{probe.host}: memory as one CPU sees it [{probe.label}],"
        f" {format_size(probe.bytes_probed)} along a random cycle"
    )


def _found(said: Mapping[str, str]) -> str:
    if said["finding"] == "unknown":
        return said["evidence"]
    return f"{said['finding']} ({said['evidence']})"
