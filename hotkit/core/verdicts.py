"""Compares a layout with what a running machine shows: one check per promise, no I/O.

A check never guesses: what the machine does not show (addresses hidden from a reader who is not
root, no numactl) is `unknown`, and unknown is not a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hotkit.core import cmdline
from hotkit.core.check import Check, judged, unknown
from hotkit.core.kernel_checks import build_checks, check_kernel
from hotkit.core.layout import Layout
from hotkit.core.memory_checks import (
    check_memtotal,
    check_no_other_ram,
    check_numactl,
    check_pmem,
    check_system_ram,
    plans_ram,
)
from hotkit.core.observed import Observed
from hotkit.core.tier_checks import tier_checks

# Arguments that change how much memory, or which CPUs, the kernel takes into use, and that
# therefore may stand on the command line only as the layout put them there
# (Documentation/admin-guide/kernel-parameters.txt, Linux 6.1).
LAYOUT_ARGUMENTS = frozenset(
    {"memmap", "mem", "maxcpus", "nr_cpus", "possible_cpus", "nosmp", "numa", "efi_fake_mem"}
)


def expectations(
    layout: Layout,
    observed: Observed,
    *,
    memtotal: Mapping[int, tuple[int, int]],
    kernel: str | None = None,
    build: Mapping[str, Any] | None = None,
) -> tuple[Check, ...]:
    """Every check of `layout` on the machine that `observed` shows, in the order of a table.

    `memtotal` gives per node the least and the most bytes of MemTotal that the model of
    `core/footprint` allows for the predicted System RAM; `kernel` the kernel release that must
    run, None when any may; `build` the patched kernel that must run (KernelWish.to_dict).
    """
    checks = [check_entry(layout, observed), check_cmdline(layout, observed)]
    if kernel is not None:
        checks.append(check_kernel(kernel, observed))
    if build is not None:
        checks += build_checks(build, observed)
    checks += [check_cpus(layout, observed), check_cpu_nodes(layout, observed)]
    planned = [plan for plan in layout.nodes if plans_ram(plan)]
    checks += [check_system_ram(plan, observed) for plan in planned]
    checks.append(check_no_other_ram(layout, observed))
    slow = layout.slow_pmem
    checks += [
        check_memtotal(plan, observed, memtotal.get(plan.node, (0, plan.kept_bytes)))
        for plan in planned
        if slow is None or plan.node != slow.node
    ]
    checks.append(check_numactl(layout, observed))
    checks += [
        check_pmem(node, item, observed)
        for node, item in layout.pmem
        if slow is None or slow.emulated or node != slow.node
    ]
    return (*checks, *tier_checks(layout, observed))


def check_entry(layout: Layout, observed: Observed) -> Check:
    """The token that tells that the layout's own boot entry was booted."""
    found = [item.text for item in cmdline.parse(observed.cmdline) if item.named("hotkit.id")]
    ok = found == [layout.token]
    if ok:
        sentence = "The kernel was booted by this layout's entry."
    elif not found:
        sentence = "No hotkit entry was booted: this is the stock entry or someone else's."
    else:
        sentence = "Another layout's entry was booted."
    return judged("entry", layout.token, " ".join(found) or "no hotkit.id=", ok, sentence)


def check_cmdline(layout: Layout, observed: Observed) -> Check:
    """Each argument of the layout exactly once, and no other that moves memory or CPUs."""
    given = cmdline.parse(observed.cmdline)
    words = [item.text for item in given]
    missing = [arg for arg in layout.args if words.count(arg) == 0]
    doubled = [arg for arg in layout.args if words.count(arg) > 1]
    foreign = [
        item.text
        for item in given
        if item.text not in layout.args and any(map(item.named, LAYOUT_ARGUMENTS))
    ]
    problems = [
        f"{what}: {' '.join(items)}"
        for what, items in (("missing", missing), ("twice", doubled), ("not ours", foreign))
        if items
    ]
    mine = [word for word in words if word in layout.args] + foreign
    return judged(
        "cmdline",
        layout.cmdline,
        " ".join(sorted(mine, key=words.index)) or "none of them",
        not problems,
        "; ".join(problems) + "."
        if problems
        else "Every argument arrived as planned, once, and nothing else moves memory or CPUs.",
    )


def check_cpus(layout: Layout, observed: Observed) -> Check:
    """Exactly the wanted CPUs online."""
    wanted, online = set(layout.cpus), set(observed.cpus_online)
    if not wanted:
        return judged(
            "cpus", "any", cpu_list(online), True, "The profile asks for no number of CPUs."
        )
    parts = []
    if wanted - online:
        parts.append(f"CPU {cpu_list(wanted - online)} did not come online")
    if online - wanted:
        parts.append(f"CPU {cpu_list(online - wanted)} is online and should not be")
    sentence = "; ".join(parts) + "." if parts else f"{len(online)} CPUs are online, as planned."
    return judged("cpus", cpu_list(wanted), cpu_list(online), not parts, sentence)


def check_cpu_nodes(layout: Layout, observed: Observed) -> Check:
    """Every online CPU sits on a node where the layout has CPUs (the fast one, as a rule)."""
    name = "cpu-nodes"
    by_node: dict[int | None, list[int]] = {}
    for cpu in observed.cpus_online:
        by_node.setdefault(observed.node_of_cpu(cpu), []).append(cpu)
    found = "; ".join(
        f"node {'?' if node is None else node}: {cpu_list(cpus)}"
        for node, cpus in sorted(by_node.items(), key=lambda item: (item[0] is None, item[0] or 0))
    )
    if not layout.cpus:
        return judged(name, "any", found, True, "The profile asks for no place of CPUs.")
    wanted = wanted_cpu_nodes(layout, observed)
    expected = "node " + ", ".join(map(str, sorted(wanted)))
    if None in by_node:
        return unknown(name, expected, found, "The kernel does not say where each CPU is.")
    astray = cpu_list(cpu for node, cpus in by_node.items() if node not in wanted for cpu in cpus)
    if astray == "none":
        return judged(name, expected, found, True, "Every online CPU is on the wanted node.")
    sentence = f"CPU {astray} is on another node than the plan's CPUs."
    return judged(name, expected, found, False, sentence)


def wanted_cpu_nodes(layout: Layout, observed: Observed) -> set[int]:
    """The nodes of the layout's CPUs by the firmware's tables; the fast nodes if those are mute."""
    topology = observed.topology
    if topology is not None and topology.cpus:
        return {cpu.node for cpu in topology.cpus if cpu.number in layout.cpus}
    return {plan.node for plan in layout.nodes if plan.role == "fast"}


def cpu_list(cpus: Iterable[int]) -> str:
    """CPU numbers as the kernel's lists show them: 0-3,8."""
    parts: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if parts and cpu == parts[-1][1] + 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts) or "none"
