"""Terminal tables for topologies, layouts and reviews."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.finding import Finding, Severity
from hotkit.core.layout import Layout
from hotkit.core.pmem_preflight import pmem_sentence
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.review import Review
from hotkit.core.topology import Topology
from hotkit.core.units import format_size

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_BAR_CELLS = 64


def topology_report(topology: Topology) -> RenderableType:
    """Nodes with their ranges, RAM, CPUs and distances, then what the source could not say."""
    table = Table(title=f"{topology.name}: {topology.arch}, from {topology.source}")
    for title in ("node", "memory ranges (SRAT)", "span", "RAM", "PMEM", "CPUs", "distances"):
        table.add_column(title, justify="right" if title in ("span", "RAM", "PMEM") else "left")
    for place, node in enumerate(topology.nodes):
        distances = topology.distances[place] if topology.distances else ()
        table.add_row(
            str(node),
            "\n".join(_affinity(topology, node)) or "-",
            _size(topology.span(node)),
            _size(topology.node_ram(node)),
            _size(topology.pmem(node)),
            cpu_list(topology.node_cpus(node)) or "-",
            " ".join(str(item) if item else "?" for item in distances) or "-",
        )
    return Group(table, *_notes(topology.notes))


def layout_report(layout: Layout, topology: Topology, review: Review) -> RenderableType:
    """The plan per node, a picture in address order, what a size means, and findings."""
    slow = layout.slow_pmem
    title = f"{layout.profile} on {layout.topology} (a size means: {layout.size_means})"
    table = Table(title=title)
    for name in ("node", "role", "wanted", "RAM present", "kept", "reserved", "System RAM then"):
        table.add_column(name, justify="right" if name in ("wanted", "kept") else "left")
    for item in layout.nodes:
        table.add_row(
            str(item.node),
            "pmem (slow tier)" if slow and item.node == slow.node else item.role,
            "-" if item.wanted_bytes is None else format_size(item.wanted_bytes),
            format_size(item.present_bytes) if item.present_bytes else "-",
            format_size(item.kept_bytes) if item.kept_bytes else "-",
            _ranges(item.reserved),
            _ranges(item.predicted),
        )
    return Group(
        table,
        Text("memory in address order, not to scale: # kept  . reserved  p PMEM", style="dim"),
        *(Text(line) for line in picture(topology, layout)),
        *([Text(pmem_sentence(layout, virtual=False))] if slow else []),
        Text(f"CPUs: {cpu_list(layout.cpus) or 'unknown'}"),
        Text(
            "Reserved are whole runs of RAM, and holes inside them that the firmware claims anyway."
        ),
        Text(""),
        meanings(review),
        *findings_report(review.findings),
        *_notes(topology.notes),
    )


def review_report(review: Review) -> RenderableType:
    """What every entry does, what remains per node, and the findings."""
    entries = [Text(f"  {entry.sentence}") for entry in review.entries]
    head = [Text("The kernel reads:", style="bold"), *entries] if entries else []
    verdict = (
        Text("no error found", style="green")
        if review.ok
        else Text("this command line does not do what is wanted", style="bold red")
    )
    return Group(*head, meanings(review), *findings_report(review.findings), verdict)


def meanings(review: Review) -> Table:
    """What a command line keeps per node, in each meaning of "size"."""
    table = Table(title="What it keeps, in each meaning of a size")
    for name in ("node", "present: System RAM", "span: address space", "managed: MemTotal, about"):
        table.add_column(name, justify="left" if name == "node" else "right")
    for item in review.nodes:
        if item.present_bytes:
            table.add_row(
                str(item.node),
                format_size(item.kept_bytes),
                format_size(item.span_bytes),
                format_size(item.managed_bytes),
            )
    return table


def findings_report(findings: Iterable[Finding]) -> list[Text]:
    """One line per finding, worst first."""
    lines = []
    for item in findings:
        label = item.severity.name.lower()
        line = Text(f"{label} {item.code}: ", style=_STYLES[item.severity])
        token = f"{item.token}: " if item.token and item.token not in item.sentence else ""
        line.append(token + item.sentence, style="default")
        lines.append(line)
    return lines


def picture(topology: Topology, layout: Layout) -> list[str]:
    """One bar per node, the node's memory from its lowest address to its highest."""
    lines = []
    for plan in layout.nodes:
        memory = topology.node_ram(plan.node).union(topology.pmem(plan.node))
        pmem = topology.pmem(plan.node).union(layout.pmem_as_ram)
        if not memory:
            continue
        reserved = RangeSet.of(plan.reserved)
        step = max(1, memory.size_bytes // _BAR_CELLS)
        cells: list[str] = []
        done = 0
        for item in memory:
            done += item.size_bytes
            while len(cells) * step < done and len(cells) < _BAR_CELLS:
                address = item.end - (done - len(cells) * step)
                probe = RangeSet((Range(address, address + 1),))
                mark = "." if reserved.intersect(probe) else "#"
                cells.append("p" if pmem.intersect(probe) else mark)
        lines.append(f"  node {plan.node:<3} {''.join(cells)}")
    return lines


def cpu_list(numbers: Iterable[int]) -> str:
    """CPU numbers in the kernel's list format: 0-35,72-107."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def show(*parts: RenderableType) -> None:
    """Print to standard output, wide enough for addresses when nobody looks."""
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=160)
    for part in parts:
        console.print(part, highlight=False, markup=False)


def show_plain(line: str) -> None:
    """One line to copy, never wrapped."""
    Console(soft_wrap=True).print(line, highlight=False, markup=False)


def _affinity(topology: Topology, node: int) -> list[str]:
    lines = []
    for item in topology.affinity:
        if item.node == node:
            flags = " non-volatile" * item.nonvolatile + " hot-plug" * item.hotplug
            lines.append(f"{item.range}{flags}")
    return lines


def _ranges(ranges: Iterable[Range]) -> str:
    return "\n".join(str(item) for item in ranges) or "-"


def _size(ranges: RangeSet) -> str:
    return format_size(ranges.size_bytes) if ranges else "-"


def _notes(notes: Iterable[str]) -> list[Text]:
    return [Text(f"note: {note}", style="dim") for note in notes]
