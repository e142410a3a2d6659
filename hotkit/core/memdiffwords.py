"""What two captures of memory, side by side, say in sentences, and what they cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hotkit.core.memaccount import MemoryAccount
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.units import MIB

# Totals that differ by less are of the same RAM; boot code moves some MiB from boot to boot.
_SAME_RAM = 0.02
_MOVED_BYTES = 4 * MIB


def totals_only(facts: MemoryFacts) -> bool:
    """Whether a capture has sizes and free memory, but nothing of what it is used for."""
    return not set(facts.meminfo) - {"MemTotal", "MemFree", "MemAvailable"}


def answers(
    left: MemoryFacts,
    right: MemoryFacts,
    changes: Mapping[int, int],
    accounts: tuple[MemoryAccount, MemoryAccount],
) -> Iterator[str]:
    """`changes` is how much more the right one uses, per node that both know."""
    change = right.used_bytes - left.used_bytes
    yield _total(left, right, change, changes)
    yield from _cpus(left, right, change)
    yield from _moved(left, right, changes)
    yield from _boot_code(left, right)
    yield from _ram(left, right, accounts)
    poor = [facts.name for facts in (left, right) if totals_only(facts)]
    if poor:
        yield (
            f"{' and '.join(poor)}: sizes and free memory only. Which allocations the difference "
            "is made of cannot be told from them; next: hotkit memory capture HOST --out DIR, in "
            "both boots"
        )


def _total(left: MemoryFacts, right: MemoryFacts, change: int, changes: Mapping[int, int]) -> str:
    nodes = ", ".join(f"node {node} {_more(size)}" for node, size in sorted(changes.items()))
    where = f": {nodes}" if len(changes) > 1 else ""
    return f"{right.name} uses {_more(change)} than {left.name}{where}"


def _cpus(left: MemoryFacts, right: MemoryFacts, change: int) -> Iterator[str]:
    if left.cpus_online is None or right.cpus_online is None:
        return
    fewer = left.cpus_online - right.cpus_online
    if not fewer:
        return
    yield (
        f"{left.cpus_online} CPUs are online in {left.name}, {right.cpus_online} in {right.name}"
    )
    if change * fewer < 0:
        each = abs(change / fewer) / MIB
        yield (
            f"if the CPUs alone make the difference, it is {each:.1f} MiB for each of the "
            f"{abs(fewer)}: stacks and slabs of its threads, its list of free pages, buffers that "
            "drivers, tracing and perf have per CPU"
        )
    percpu = {facts.meminfo.get("Percpu") for facts in (left, right)}
    if len(percpu) > 1:
        return
    (size,) = percpu
    if size is None:
        yield (
            "per-CPU areas are for all possible CPUs: maxcpus= keeps those of CPUs that stay down, "
            "nr_cpus= does not"
        )
    else:
        yield (
            f"the per-CPU areas are the same {size / MIB:.1f} MiB in both: they are for all "
            "possible CPUs (maxcpus= keeps them, nr_cpus= does not)"
        )


def _moved(left: MemoryFacts, right: MemoryFacts, changes: Mapping[int, int]) -> Iterator[str]:
    """A node that has CPUs in one capture only: its kernel memory is taken elsewhere then."""
    for facts, other, sign in ((right, left, 1), (left, right, -1)):
        for node, cpus in sorted(facts.node_cpus.items()):
            if cpus or not other.node_cpus.get(node) or node not in changes:
                continue
            lost = -sign * changes[node]
            grown = sum(max(0, sign * size) for where, size in changes.items() if where != node)
            back = min(lost, grown)
            if back < MIB:
                continue
            yield (
                f"node {node} has no CPU online in {facts.name}: what the kernel takes where it "
                "runs (page cache, slabs, stacks, buffers) it takes on other nodes there. Of the "
                f"{lost / MIB:.0f} MiB that node {node} has less, {back / MIB:.0f} MiB came back "
                f"elsewhere, and {(lost - back) / MIB:.0f} MiB are in use no more"
            )


def _boot_code(left: MemoryFacts, right: MemoryFacts) -> Iterator[str]:
    """MemTotal of nodes moves when boot code takes its memory on another one."""
    sizes = {
        node: right.nodes[node]["MemTotal"] - left.nodes[node]["MemTotal"]
        for node in left.nodes
        if node in right.nodes
    }
    if abs(sum(sizes.values())) <= len(sizes) * MIB and any(
        abs(size) > _MOVED_BYTES for size in sizes.values()
    ):
        moved = ", ".join(f"node {node} {_more(size)}" for node, size in sorted(sizes.items()))
        yield (
            f"MemTotal is the same in all, but not per node ({moved}): boot code took that much on "
            "another node, before MemTotal was counted. It is not part of what is used"
        )


def _ram(
    left: MemoryFacts, right: MemoryFacts, accounts: tuple[MemoryAccount, MemoryAccount]
) -> Iterator[str]:
    totals = [facts.meminfo["MemTotal"] for facts in (left, right)]
    if not min(totals):
        return
    follows = [
        sum(
            item.size_bytes
            for top in account.items
            for item in top.walk()
            if (item.scales_with or "").split(",")[0] == "RAM"
        )
        for account in accounts
    ]
    known = ""
    if any(follows):
        known = (
            f". Large hash tables and the like follow the RAM ({follows[0] / MIB:.1f} and "
            f"{follows[1] / MIB:.1f} MiB as far as listed)"
        )
    if abs(totals[1] / totals[0] - 1) <= _SAME_RAM:
        yield f"both have the same RAM: this pair does not show what follows its size{known}"
        return
    uses = right.used_bytes / left.used_bytes if left.used_bytes else 0.0
    yield (
        f"{right.name} has {totals[1] / totals[0]:.2f} times the RAM of {left.name} and uses "
        f"{uses:.2f} times as much: struct pages of RAM are outside MemTotal, and services, "
        f"drivers, file systems and CPUs take theirs whatever the RAM is{known}"
    )


def _more(size: int) -> str:
    return f"{abs(size) / MIB:.0f} MiB {'more' if size >= 0 else 'less'}"
