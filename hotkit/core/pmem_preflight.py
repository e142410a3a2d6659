"""Before anything is written: whether a machine's PMEM can be the slow tier, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

from hotkit.core.layout import Layout
from hotkit.core.pmem import (
    PmemError,
    Region,
    attachment,
    memory_block_bytes,
    online_bytes,
    struct_page_bytes,
)
from hotkit.core.preflight import Concern
from hotkit.core.units import format_size


def layout_block_bytes(layout: Layout, *, virtual: bool) -> int:
    """The size of a memory block while the layout runs."""
    ends = [item.predicted.ranges[-1].end for item in layout.nodes if item.predicted]
    return memory_block_bytes(max(ends, default=0), virtual=virtual)


def pmem_online_bytes(layout: Layout, *, virtual: bool) -> int:
    """How much PMEM will be online as RAM; 0 when the slow tier is none."""
    slow = layout.slow_pmem
    block = layout_block_bytes(layout, virtual=virtual)
    return online_bytes(slow.range, slow.wanted_bytes, block) if slow else 0


def pmem_cost_bytes(layout: Layout, *, virtual: bool) -> int:
    """What the struct pages of the PMEM take from DRAM; 0 without PMEM."""
    return struct_page_bytes(pmem_online_bytes(layout, virtual=virtual))


def pmem_sentence(layout: Layout, *, virtual: bool) -> str:
    """What the slow tier's PMEM becomes, and what that takes from DRAM."""
    slow = layout.slow_pmem
    assert slow is not None
    block = layout_block_bytes(layout, virtual=virtual)
    online = pmem_online_bytes(layout, virtual=virtual)
    return (
        f"slow tier: {'emulated ' * slow.emulated}PMEM {slow.range}, {format_size(online)} of it "
        f"online as RAM of node {slow.node} ({online // block} memory blocks of "
        f"{format_size(block)}); its struct pages take "
        f"{format_size(struct_page_bytes(online))} of DRAM"
    )


def pmem_refusals(
    layout: Layout,
    regions: Sequence[Region],
    *,
    tools_missing: Sequence[str],
    ours: str | None,
    virtual: bool,
) -> tuple[Concern, ...]:
    """Why the machine cannot give the slow tier; `ours` names the namespace that we made there."""
    slow = layout.slow_pmem
    if slow is None:
        return ()
    found: list[Concern] = []
    if tools_missing:
        are = "is" if len(tools_missing) == 1 else "are"
        lacks = f"{' and '.join(tools_missing)} {are} missing"
        advice = f"apt-get install {' '.join(tools_missing)}"
        found.append(Concern("pmem", f"the slow tier is PMEM, and {lacks}", advice))
    if not slow.emulated:  # its region is there only once the layout runs
        try:
            attachment(slow, regions, layout_block_bytes(layout, virtual=virtual), ours)
        except PmemError as error:
            found.append(Concern("pmem", str(error), error.hint))
    return tuple(found)
