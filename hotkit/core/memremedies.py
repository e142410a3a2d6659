"""What to change so that a boot needs less memory, by how much it wins."""

from __future__ import annotations

from hotkit.core.layout import Layout
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.memtree import explain
from hotkit.core.remedies_kernel import kernel_remedies
from hotkit.core.remedies_pmem import pmem_remedies
from hotkit.core.remedies_users import user_remedies
from hotkit.core.remedy import WORTH_BYTES, Case, Remedy, profile_text, within
from hotkit.core.topology import Topology

__all__ = ["Remedy", "profile_text", "remedies"]


def remedies(
    facts: MemoryFacts, *, layout: Layout | None = None, topology: Topology | None = None
) -> tuple[Remedy, ...]:
    """Everything that wins a MiB or more, the largest first, what comes back by itself last.

    With a layout the figures are of its boot: what it does already, and what it shrinks by itself,
    is not won again. They do not add up where two of them hold the same memory (a service, and the
    files it wrote into a tmpfs), and none is more than the capture says is there.
    """
    nameless = explain(facts).items[-1].size_bytes
    case = Case(
        facts=facts,
        nameless_bytes=within(nameless, facts.used_bytes),
        layout=layout,
        topology=topology,
    )
    found = [
        item
        for item in (*kernel_remedies(case), *pmem_remedies(case), *user_remedies(case))
        if item.saves_bytes >= WORTH_BYTES
    ]
    return tuple(sorted(found, key=lambda item: (item.by_itself, -item.saves_bytes, item.name)))
