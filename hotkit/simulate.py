"""The story of `hotkit layout simulate`: plan, boot in QEMU, compare what came up, node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hotkit.core import memmap
from hotkit.core.check import Check, Verdict
from hotkit.core.layout import Layout, NodePlan
from hotkit.core.memory_checks import check_no_other_ram, check_system_ram, pages
from hotkit.core.observed import Observed
from hotkit.core.plan_error import PlanError
from hotkit.core.profile import Profile
from hotkit.core.random_topology import random_profile, random_topology
from hotkit.core.ranges import RangeSet
from hotkit.core.topology import Topology
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.accel import accelerator
from hotkit.host.inventory import load_inventory
from hotkit.host.labimage import ensure_image
from hotkit.host.machine import Machine
from hotkit.host.profiles import load_profile
from hotkit.host.simulator import LabTarget, Target, TopologyTarget, boot
from hotkit.layout import make_layout
from hotkit.parse.observed import observe
from hotkit.topology import load_topology

SIMULATION_SCHEMA_VERSION = 1
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What was planned, what came up, and whether the two agree to the page."""

    topology: Topology
    layout: Layout
    observed: Observed
    checks: tuple[Check, ...]
    left_out: tuple[str, ...]  # what of the machine was not reproduced

    @property
    def ok(self) -> bool:
        return all(check.verdict is Verdict.PASS for check in self.checks)

    def booted(self, node: NodePlan) -> RangeSet:
        """System RAM that came up on `node`, whole pages."""
        ram = self.observed.system_ram or RangeSet()
        return pages(ram.intersect(self.topology.span(node.node).union(node.predicted)))

    def to_dict(self) -> dict[str, Any]:
        """JSON form; ranges are [start, end) pairs of integers."""
        return {
            "schema_version": SIMULATION_SCHEMA_VERSION,
            "ok": self.ok,
            "label": str(self.observed.label),
            "kernel_release": self.observed.kernel_release,
            "cmdline": self.observed.cmdline,
            "topology": self.topology.name,
            "layout": self.layout.to_dict(),
            "nodes": [
                {
                    "node": plan.node,
                    "predicted": [[r.start, r.end] for r in pages(plan.predicted)],
                    "booted": [[r.start, r.end] for r in self.booted(plan)],
                }
                for plan in self.layout.nodes
            ],
            "checks": [check.to_dict() for check in self.checks],
            "left_out": list(self.left_out),
        }


def simulate_machine(
    name: str,
    say: Say,
    *,
    profile_ref: str | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    inventory: str | Path | None = None,
) -> Simulation:
    """A lab machine of the inventory, which need not be up.

    It is booted twice: stock, to learn the firmware map that QEMU gives it, then with the layout
    computed on that map. Without `profile_ref` the host's own `hotkit_profile` is planned.
    """
    host = load_inventory(inventory or "lab").host(name)
    if host.machine is None:
        raise HotkitError(
            f"{name} is no lab machine: it has no hotkit_machine",
            hint=f"a real one: hotkit layout simulate PROFILE --topology {name}",
        )
    wanted = profile_ref or host.profile
    if wanted is None:
        raise HotkitError(f"{name} has no hotkit_profile", hint="name a profile")
    profile = load_profile(wanted, overrides, name=name)
    machine = Machine.from_dict(name, host.machine)
    target = LabTarget(machine)
    topology = learn_topology(machine, say)
    return _simulate(topology, make_layout(topology, profile), target, say)


def simulate_topology(
    ref: str,
    profile_ref: str,
    say: Say,
    *,
    overrides: Mapping[str, Any] | None = None,
    inventory: str | Path | None = None,
) -> Simulation:
    """Any topology (see `load_topology`): its own firmware map and SRAT, given to the kernel."""
    topology = load_topology(ref, inventory)
    profile = load_profile(profile_ref, overrides)
    layout = make_layout(topology, profile)
    return _simulate(topology, layout, TopologyTarget(topology), say)


def simulate_random(
    seed: int,
    say: Say,
    *,
    profile_ref: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Simulation:
    """A random machine, and a random profile unless one is named; the same for the same seed."""
    topology = random_topology(seed)
    if profile_ref:
        profile: Profile = load_profile(profile_ref, overrides)
    else:
        try:
            profile = random_profile(topology, seed)
        except PlanError as error:
            raise HotkitError(str(error)) from error
    return _simulate(topology, make_layout(topology, profile), TopologyTarget(topology), say)


def learn_topology(machine: Machine, say: Say) -> Topology:
    """The firmware map and tables that QEMU gives a lab machine, from a stock boot."""
    say(f"{machine.name}: a stock boot, for its firmware map")
    facts = _boot(LabTarget(machine), (), say)
    found = observe(facts, host=machine.name).topology
    if found is None:
        raise HotkitError(
            f"{machine.name}: the booted kernel showed no firmware map",
            exit_code=ExitCode.VERDICT_FAILED,
        )
    return replace(found, name=machine.name)


def _simulate(topology: Topology, layout: Layout, target: Target, say: Say) -> Simulation:
    say(f"{topology.name}: booting with {layout.cmdline}")
    facts = _boot(target, (*layout.args, layout.token), say)
    observed = observe(facts, host=topology.name)
    checks = (
        _firmware_is_the_same(topology, observed),
        *(check_system_ram(plan, observed) for plan in layout.nodes),
        check_no_other_ram(layout, observed),
    )
    return Simulation(
        topology=topology,
        layout=layout,
        observed=observed,
        checks=checks,
        left_out=target.left_out,
    )


def _firmware_is_the_same(topology: Topology, observed: Observed) -> Check:
    """The booted kernel was given the map that was planned on: else the rest proves nothing."""
    found = observed.topology
    same = (
        found is not None
        and memmap.stock_ram(found.firmware) == memmap.stock_ram(topology.firmware)
        and all(
            found.span(node) == topology.span(node) and found.pmem(node) == topology.pmem(node)
            for node in topology.nodes
        )
    )
    return Check(
        name="firmware",
        expected=f"RAM and nodes of {topology.name}",
        found="the same" if same else "another map",
        verdict=Verdict.PASS if same else Verdict.FAIL,
        sentence="The kernel was given the machine's own memory map and SRAT."
        if same
        else "The kernel was given another memory map or SRAT than the layout was planned on.",
    )


def _boot(target: Target, args: tuple[str, ...], say: Say) -> dict[str, Any]:
    image = ensure_image(say)
    return boot(target, image.kernel, args, accel=accelerator(image.kernel))
