"""`numactl -H` beside meminfo: totals per node where nothing better is, and the CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotkit.core.units import MIB
from hotkit.errors import HotkitError
from hotkit.parse.numactl import Numactl, parse_numactl

# Between two looks at one boot this much may be taken or given back.
_SAME_MOMENT_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTables:
    """`nodes` and `meminfo` hold MemTotal and MemFree only, in whole MiB; `cpus` how many are
    online per node. `cpus_possible` is at least so many: the highest number of a CPU, and one.
    """

    nodes: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    meminfo: dict[str, int] = field(default_factory=dict)
    cpus: Mapping[int, int] = field(default_factory=dict)
    cpus_possible: int | None = None


def node_tables(
    texts: Mapping[str, str],
    meminfo: Mapping[str, int],
    nodes: Mapping[int, Mapping[str, int]],
    problems: list[str],
) -> NodeTables:
    """The table that belongs to the rest of the capture; others are named in `problems`.

    Without `meminfo` the only table is the capture. Raises HotkitError when there are several and
    nothing says which is meant.
    """
    tables = _tables(texts, problems)
    if not tables:
        return NodeTables()
    possible = max((cpu for one in tables.values() for cpus in one.cpus.values() for cpu in cpus),
                   default=-1) + 1  # fmt: skip
    if not meminfo and len(tables) > 1:
        raise HotkitError(
            f"there is no meminfo, and of {', '.join(tables)} nothing says which is meant",
            hint="name the one file instead of its directory",
        )
    for source, table in tables.items():
        total, free = sum(table.sizes_bytes.values()), sum(table.free_bytes.values())
        if meminfo and not _same(table, meminfo, nodes):
            continue
        known = set(table.sizes_bytes) & set(table.free_bytes)
        if len(known) < len(table.nodes):
            problems.append(f"{source}: some node has no size or no free memory in it")
        return NodeTables(
            nodes={
                node: {"MemTotal": table.sizes_bytes[node], "MemFree": table.free_bytes[node]}
                for node in sorted(known)
                if table.sizes_bytes[node]
            },
            meminfo={"MemTotal": total, "MemFree": free} if known else {},
            cpus={node: len(cpus) for node, cpus in table.cpus.items()},
            cpus_possible=possible or None,
        )
    used = ", ".join(f"{one.used_bytes // MIB} in {source}" for source, one in tables.items())
    of_meminfo = (meminfo["MemTotal"] - meminfo["MemFree"]) // MIB
    problems.append(
        f"{', '.join(tables)}: of another boot or moment than meminfo (MiB used: {used}, "
        f"{of_meminfo} in meminfo), so that nothing is known per node; `hotkit memory diff` "
        "compares such files"
    )
    return NodeTables(cpus_possible=possible or None)


def _tables(texts: Mapping[str, str], problems: list[str]) -> dict[str, Numactl]:
    found = {}
    for source in sorted(texts):
        if source != "numactl" and not source.startswith("numactl-"):
            continue
        try:
            found[source] = parse_numactl(texts[source])
        except HotkitError as error:
            problems.append(f"{source}: {error}")
    return found


def _same(
    table: Numactl, meminfo: Mapping[str, int], nodes: Mapping[int, Mapping[str, int]]
) -> bool:
    """Whether a table is of the same boot and moment, as far as totals tell."""
    rounding = len(table.nodes) * MIB
    total, free = sum(table.sizes_bytes.values()), sum(table.free_bytes.values())
    if nodes:
        return all(
            abs(size - nodes[node]["MemTotal"]) <= MIB
            for node, size in table.sizes_bytes.items()
            if node in nodes
        )
    return (
        abs(total - meminfo["MemTotal"]) <= rounding
        and abs(free - meminfo["MemFree"]) <= rounding + _SAME_MOMENT_BYTES
    )
