"""The rules of a review (core/review.py): from what the kernel's model said to findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from hotkit.core import cmdline
from hotkit.core.e820 import E820Type
from hotkit.core.finding import Finding, Severity
from hotkit.core.layout import Layout
from hotkit.core.memmap import Entry, Kind, Outcome, stock_ram
from hotkit.core.plan import CLAIMED, LOWEST_NODE_MIN_BYTES, low_node
from hotkit.core.profile import Profile
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Topology
from hotkit.core.units import GIB, MIB, PAGE_BYTES, format_size

# arch/x86/boot/compressed/kaslr.c, MAX_MEMMAP_REGIONS (Linux 6.1).
KASLR_MAX_REGIONS = 4
# Where a kernel without KASLR lies: from 16 MiB (CONFIG_PHYSICAL_START), some tens of MiB long.
KERNEL_LOAD = Range(16 * MIB, 64 * MIB)
LITTLE_BYTES = GIB
_FOUR_GIB = Range(0, 4 * GIB)
_STORAGE = (E820Type.PMEM, E820Type.PRAM, E820Type.SOFT_RESERVED)


def takes_ram(entry: Entry) -> bool:
    """Whether an entry is one that makes RAM disappear."""
    if entry.kind is Kind.ADD:
        return entry.new_type != E820Type.RAM
    if entry.kind is Kind.CONVERT:
        return entry.old_type == E820Type.RAM
    return entry.kind is Kind.FORGET and entry.old_type in (None, E820Type.RAM)


def command_line(line: str, outcome: Outcome) -> Iterator[Finding]:
    """The text itself: its length, what is malformed, caps, exactmap, a map that cannot boot."""
    if len(line) > cmdline.MAX_LENGTH:
        yield Finding(
            severity=Severity.ERROR,
            code="too-long",
            sentence=f"{len(line)} characters: the kernel cuts off what follows the first "
            f"{cmdline.MAX_LENGTH} ({line[cmdline.MAX_LENGTH :][:40]!r}...)",
        )
    if outcome.panic:
        yield Finding(
            severity=Severity.ERROR, code="panic", sentence=f"the kernel stops: {outcome.panic}"
        )
    for entry in outcome.entries:
        is_mem = entry.token.startswith("mem=")
        if entry.malformed:
            yield Finding(
                severity=Severity.WARNING if is_mem else Severity.ERROR,
                code="malformed",
                sentence=f"malformed, {entry.malformed}; all the same: {entry.sentence}",
                token=entry.token,
                range=entry.range,
            )
        if entry.kind is Kind.CAP:
            why = (
                "mem= cuts by address, whatever node is there"
                if is_mem
                else "no operator, as when a `$` got lost on the way: this caps all RAM"
            )
            yield Finding(
                severity=Severity.WARNING if is_mem else Severity.ERROR,
                code="cap",
                sentence=f"{entry.sentence}: {why}",
                token=entry.token,
                range=entry.range,
            )
        if entry.kind is Kind.EXACTMAP:
            yield Finding(
                severity=Severity.WARNING,
                code="exactmap",
                sentence="exactmap throws the firmware's map away: only what is given after it "
                "exists, reserved areas of the firmware are unknown then",
                token=entry.token,
            )


def regions(topology: Topology, line: str, outcome: Outcome) -> Iterator[Finding]:
    """Every region: what it lies over, how it is aligned, whether two overlap; KASLR."""
    taking = [
        (item.token, item.range) for item in outcome.entries if takes_ram(item) and item.range
    ]
    for (first, one), (second, other) in combinations(taking, 2):
        both = one.intersect(other)
        if both:
            yield Finding(
                severity=Severity.WARNING,
                code="overlap",
                sentence=f"{first} and {second} overlap by {format_size(both.size_bytes)}"
                f" at {both}",
                token=second,
                range=both,
            )
    for entry in outcome.entries:
        if entry.range and takes_ram(entry):
            yield from _lies_over(topology, entry, entry.range)
            yield from _alignment(topology, entry, entry.range)
        elif entry.kind is Kind.ADD and entry.range:
            invented = RangeSet((entry.range,)).subtract(topology.ram)
            for item in invented:
                yield Finding(
                    severity=Severity.ERROR,
                    code="invented-ram",
                    sentence=f"{format_size(item.size_bytes)} at {item} are called RAM, "
                    "the firmware has none there",
                    token=entry.token,
                    range=item,
                )
    yield from _kaslr(line, outcome)


def _lies_over(topology: Topology, entry: Entry, region: Range) -> Iterator[Finding]:
    whole = RangeSet((region,))
    if not whole.intersect(topology.ram):
        yield Finding(
            severity=Severity.ERROR,
            code="no-ram",
            sentence=f"there is no RAM at {region}: it reserves nothing",
            token=entry.token,
            range=region,
        )
    if entry.kind is Kind.CONVERT or (entry.kind is Kind.FORGET and entry.old_type):
        return  # touches RAM only, whatever else lies in its range
    claimed = RangeSet.of(e.range for e in topology.firmware if e.type in CLAIMED)
    storage = RangeSet.of(e.range for e in topology.firmware if e.type in _STORAGE)
    storage = RangeSet.of(
        (*storage, *(item for node in topology.nodes for item in topology.pmem(node)))
    )
    spans = RangeSet.of(item for node in topology.nodes for item in topology.span(node))
    rest = whole.subtract(topology.ram).subtract(claimed).subtract(storage)
    places = (
        (whole.intersect(storage), Severity.ERROR, "pmem", "persistent memory"),
        (rest.intersect(spans), Severity.WARNING, "hole", "a hole that the firmware left open"),
        (
            rest.subtract(spans).intersect(RangeSet((_FOUR_GIB,))),
            Severity.ERROR,
            "pci-hole",
            "the PCI hole, where devices have their registers",
        ),
        (
            rest.subtract(spans).subtract(RangeSet((_FOUR_GIB,))),
            Severity.WARNING,
            "outside-ram",
            "address space where the machine has no RAM",
        ),
    )
    for found, severity, code, what in places:
        for item in found:
            yield Finding(
                severity=severity,
                code=code,
                sentence=f"{format_size(item.size_bytes)} at {item} lie in {what}",
                token=entry.token,
                range=item,
            )


def _alignment(topology: Topology, entry: Entry, region: Range) -> Iterator[Finding]:
    spans = (item for node in topology.nodes for item in topology.span(node))
    edges = {edge for item in (*topology.ram, *spans) for edge in (item.start, item.end)}
    for edge, which in ((region.start, "starts"), (region.end, "ends")):
        if edge % MIB == 0 or edge in edges:
            continue
        if edge % PAGE_BYTES:
            why = "not at a page: the kernel throws the rest of that page away"
        else:
            why = "off a 1 MiB boundary, where memory is mapped in small pages"
        yield Finding(
            severity=Severity.WARNING,
            code="alignment",
            sentence=f"{which} at {edge:#x}, {why}",
            token=entry.token,
            range=region,
        )


def _kaslr(line: str, outcome: Outcome) -> Iterator[Finding]:
    if any(item.named("nokaslr") for item in cmdline.parse(line)):
        return
    avoided = [entry for entry in outcome.entries if entry.operator in ("#", "$", "!")]
    if len(avoided) > KASLR_MAX_REGIONS:
        yield Finding(
            severity=Severity.WARNING,
            code="kaslr-regions",
            sentence=f"{len(avoided)} regions, KASLR steps around {KASLR_MAX_REGIONS} at most: "
            "it then leaves the kernel where it is; add nokaslr to say so",
            token=avoided[KASLR_MAX_REGIONS].token,
        )
    percent = [entry for entry in outcome.entries if entry.operator == "%"]
    if percent:
        yield Finding(
            severity=Severity.ERROR,
            code="kaslr-percent",
            sentence="KASLR does not know % and may put the kernel into the range: add nokaslr",
            token=percent[0].token,
            range=percent[0].range,
        )
    elif avoided:
        yield Finding(
            severity=Severity.INFO,
            code="kaslr",
            sentence="without nokaslr some UEFI kernels (6.6 to 6.9 before a fix) may lie inside "
            "a reserved range, and every boot differs a little",
        )


def remains(topology: Topology, outcome: Outcome) -> Iterator[Finding]:
    """What is left at all: low memory for the kernel, enough to boot, RAM that no node owns."""
    if outcome.panic:
        return
    ram = outcome.system_ram
    load = RangeSet((KERNEL_LOAD,))
    lost = load.intersect(stock_ram(topology.firmware)).subtract(ram)
    low = low_node(topology)
    where, kept = "the machine", ram.size_bytes
    if low is not None:
        where, kept = f"node {low}", ram.intersect(topology.span(low)).size_bytes
    if lost or kept < LOWEST_NODE_MIN_BYTES:
        yield Finding(
            severity=Severity.ERROR,
            code="no-low-memory",
            sentence=f"the kernel is loaded at {KERNEL_LOAD}, and {format_size(lost.size_bytes)} "
            f"of that are taken away; {where} keeps {format_size(kept)}",
            range=lost.ranges[0] if lost else None,
        )
    elif kept < LITTLE_BYTES:
        yield Finding(
            severity=Severity.WARNING,
            code="little-memory",
            sentence=f"{format_size(kept)} on {where}: a distribution's kernel and services "
            "may run out of memory while they boot",
        )
    spans = RangeSet.of(item for node in topology.nodes for item in topology.span(node))
    orphan = ram.subtract(spans)
    if orphan.size_bytes > MIB:
        yield Finding(
            severity=Severity.WARNING,
            code="no-node",
            sentence=f"{format_size(orphan.size_bytes)} of RAM belong to no node: "
            "the kernel gives up NUMA then",
            range=orphan.ranges[0],
        )


def against(
    topology: Topology, layout: Layout, profile: Profile, outcome: Outcome
) -> Iterator[Finding]:
    """Compare node by node with what planning the profile would keep."""
    for item in layout.nodes:
        kept = outcome.system_ram.intersect(topology.span(item.node))
        more = kept.size_bytes - item.kept_bytes
        if abs(more) < profile.align_bytes:
            continue
        differs = kept.subtract(item.predicted) if more > 0 else item.predicted.subtract(kept)
        where = ", ".join(str(piece) for piece in differs)
        wanted = "nothing" if item.wanted_bytes is None else format_size(item.wanted_bytes)
        means = "" if item.wanted_bytes is None else f" ({profile.size_means})"
        what = "more than asked for" if more > 0 else "are missing"
        yield Finding(
            severity=Severity.ERROR,
            code="left-over" if more > 0 else "missing-ram",
            sentence=f"node {item.node} keeps {format_size(kept.size_bytes)} of RAM, "
            f"{profile.name} wants {wanted}{means}: {format_size(abs(more))} {what}, at {where}",
            range=differs.ranges[0],
        )


def other_meaning(sizes: Sequence[tuple[int, int, int]], profile: Profile) -> Iterator[Finding]:
    """When the line gives what is wanted, but in another meaning of "size".

    `sizes` holds (System RAM, span, wanted) of every node that the profile wants RAM of.
    """
    gives = {
        "present": [present - wanted for present, _, wanted in sizes],
        "span": [span - wanted for _, span, wanted in sizes],
    }
    for means, differences in gives.items():
        if means != profile.size_means and all(
            abs(difference) < profile.align_bytes for difference in differences
        ):
            yield Finding(
                severity=Severity.INFO,
                code="other-meaning",
                sentence=f"with sizes that mean {means}, instead of {profile.size_means}, this is "
                f"exactly what {profile.name} wants",
            )


def cpus(
    topology: Topology, line: str, online: tuple[int, ...], profile: Profile | None
) -> Iterator[Finding]:
    """How many CPUs come up, and on which nodes: limits count in the firmware's order."""
    limit = cmdline.cpu_limit(line)
    if not topology.cpus:
        if limit is not None:
            yield Finding(
                severity=Severity.INFO,
                code="cpus-unknown",
                sentence="the topology names no CPUs: which ones come up cannot be told",
            )
        return
    wanted = profile.cpus if profile else None
    if limit is not None and limit > len(topology.cpus):
        yield Finding(
            severity=Severity.WARNING,
            code="cpu-limit",
            sentence=f"the limit of {limit} CPUs is beyond the {len(topology.cpus)} there are",
        )
    if wanted is not None and len(online) != wanted:
        yield Finding(
            severity=Severity.ERROR,
            code="cpu-count",
            sentence=f"{len(online)} CPUs would come up, the profile wants {wanted}",
        )
    node_of = {cpu.number: cpu.node for cpu in topology.cpus}
    home = profile.fast.node if profile else node_of[online[0]]
    strays = [number for number in online if node_of[number] != home]
    if strays and (limit is not None or wanted is not None):
        strict = profile is not None and profile.cpus_on == "fast"
        yield Finding(
            severity=Severity.ERROR if strict else Severity.WARNING,
            code="cpu-node",
            sentence=f"{len(strays)} of {len(online)} CPUs come up off node {home}, the first is "
            f"CPU {strays[0]} on node {node_of[strays[0]]}",
        )
