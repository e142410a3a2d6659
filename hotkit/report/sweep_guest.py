"""What a report says of a workload in a guest: the guest, both clocks, what a host cannot know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotkit.core.analysis import Analysis, ArmResult
from hotkit.core.inguest import MOST_CLOCK_DIFFERENCE, InGuest
from hotkit.core.units import format_size
from hotkit.report.sweep_tables import Result, seconds, with_figures

_MOST = f"{100 * MOST_CLOCK_DIFFERENCE:g} %"
HOST_SEES = (
    "where host: it sees guest-physical pages only: not which process of the guest uses them, nor"
    " that two virtual pages share one"
)


def guest_of(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The guest as the manifest describes it; empty without one."""
    found: Mapping[str, Any] = manifest.get("guest") or {}
    return found


def guest_facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The guest in words, by what each is; what the manifest does not know is None."""
    guest = guest_of(manifest)
    if not guest:
        return {}
    machine = guest.get("machine", {})
    memory = guest.get("memory_bytes")
    return {
        "guest": f"{guest.get('name')} ({guest.get('kind')})",
        "guest kernel": machine.get("kernel_release"),
        "guest vCPUs": guest.get("vcpus"),
        "guest memory": format_size(memory) if memory else None,
        "guest backing": guest.get("backing"),
        "guest clocksource": machine.get("clocksource"),
    } | {f"guest knob {name}": value for name, value in machine.get("knobs", {}).items()}


def guest_lines(result: Result) -> list[str]:
    """The guest, its clock against the host's, and what the host took from it; none without one."""
    there = result.analysis.in_guest
    if there is None:
        return []
    return [_described(guest_facts(result.manifest)), *_clock_lines(there), *_steal_lines(there)]


def _described(facts: Mapping[str, Any]) -> str:
    """guest g1 (qemu): kernel ..., 2 vCPUs, 384 MiB, backing thp, clock kvm-clock."""
    shown = (
        ("guest kernel", "kernel {}"), ("guest vCPUs", "{} vCPU(s)"), ("guest memory", "{}"),
        ("guest backing", "backing {}"), ("guest clocksource", "clock {}"),
    )  # fmt: skip
    words = [form.format(facts[key]) for key, form in shown if facts.get(key) is not None]
    return f"the workload ran in guest {facts.get('guest', '?')}: {', '.join(words) or 'unknown'}"


def _clock_lines(there: InGuest) -> list[str]:
    clocks = there.clocks
    if clocks is None:
        return ["clocks: no run told what passed by the host's clock and by the guest's"]
    largest = clocks.largest
    beyond = f"; by more than {_MOST} in {clocks.beyond} of them" if clocks.beyond else ""
    return [
        f"clocks: of {clocks.runs} runs guest and host differ most by {_ms(largest.difference)}"
        f" ({1e6 * largest.fraction:+,.0f} ppm) in {seconds(largest.host)}{beyond}"
    ]


def _steal_lines(there: InGuest) -> list[str]:
    steal = there.steal
    if steal is None:
        return []
    return [
        f"steal: the host took {_ms(steal.median, sign='')} of a run from the guest's CPUs"
        f" (median), {_ms(steal.most, sign='')} at most (arm {steal.most_arm})"
    ]


def clock_warning(analysis: Analysis) -> str | None:
    """A guest's clock that goes wrong makes every time wrong: the verdict says so."""
    clocks = analysis.in_guest.clocks if analysis.in_guest else None
    if clocks is None or not clocks.beyond:
        return None
    return (
        f"WARNING: the guest's clock differs from the host's by more than {_MOST} in"
        f" {clocks.beyond} of {clocks.runs} runs, and every time here is the guest's"
    )


def seen_lines(analysis: Analysis) -> list[str]:
    """Below the table of accuracy: how the trackers worked, and what a host cannot know."""
    alike: dict[str, list[str]] = {}
    for arm in analysis.arms:
        if arm.facts:
            facts = "; ".join(f"{name}: {words}" for name, words in arm.facts.items())
            alike.setdefault(facts, []).append(arm.arm)
    said = [f"{', '.join(arms)}: {facts}" for facts, arms in alike.items()]
    over = [arm for arm in with_figures(analysis) if arm.scope == "host"]
    if over:
        said.append(HOST_SEES)
    return [*said, *(line for arm in over if (line := _of_the_vm(arm)))]


def _of_the_vm(arm: ArmResult) -> str | None:
    vm = arm.vm
    if vm is None:
        return None
    words = [
        f"{vm.moved:,g} of {vm.pages:,.0f} pages of the workload moved to another guest frame"
        f" while it ran (median; at most {vm.moved_most:,})"
    ]
    if vm.elsewhere_pages:
        share = 100 * (vm.elsewhere_share or 0.0)
        words.append(
            f"elsewhere in the VM it found {share:.2g} % of {vm.elsewhere_pages:,.0f} pages"
            " accessed (medians)"
        )
    return f"{arm.arm}: {'; '.join(words)}"


def guest_dict(result: Result) -> dict[str, Any]:
    """For the JSON document: `guest`, as the manifest has it, with clocks and steal in seconds."""
    there = result.analysis.in_guest
    if there is None:
        return {}
    guest = guest_of(result.manifest)
    machine = guest.get("machine", {})
    return {
        "guest": {
            **{key: guest.get(key) for key in ("name", "kind", "backing", "memory_bytes", "vcpus")},
            "kernel_release": machine.get("kernel_release"),
            "clocksource": machine.get("clocksource"),
            "knobs": machine.get("knobs", {}),
            "clocks": there.clocks.to_dict() if there.clocks else None,
            "steal": there.steal.to_dict() if there.steal else None,
        }
    }


def arm_dict(arm: ArmResult) -> dict[str, Any]:
    """For the JSON document of an arm; nothing of a sweep without a guest, and without facts."""
    found: dict[str, Any] = {"facts": dict(arm.facts)} if arm.facts else {}
    if arm.scope:
        found |= {"where": arm.scope, "vm": arm.vm.to_dict() if arm.vm else None}
    return found


def _ms(value_s: float, sign: str = "+") -> str:
    return f"{1e3 * value_s:{sign},.2f} ms"
