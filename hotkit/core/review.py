"""Reviewing a command line: what it would leave of each node, and everything odd about it.

Nothing here is guessed from the text: the arguments run through the model of the kernel's parser
(core/memmap.py) on the machine's firmware map, and the findings compare what comes out with what
the machine has and what a profile wants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hotkit.core import cmdline, memmap, review_rules
from hotkit.core.finding import Finding, Severity
from hotkit.core.footprint import memtotal_estimate
from hotkit.core.plan import low_node, plan, refuse_without_memmap
from hotkit.core.plan_error import PlanError
from hotkit.core.profile import Profile
from hotkit.core.ranges import RangeSet
from hotkit.core.topology import Topology

REVIEW_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReview:
    """What would remain of one node, in each meaning of "size", all in bytes.

    `kept_bytes` is System RAM (`present`); `span_bytes` the SRAT address space that no entry
    takes (`span`); `managed_bytes` the estimated MemTotal (`managed`).
    `wanted_bytes` is set when a profile was given: in that profile's meaning.
    """

    node: int
    present_bytes: int
    predicted: RangeSet
    span_bytes: int
    managed_bytes: int
    wanted_bytes: int | None = None

    @property
    def kept_bytes(self) -> int:
        return self.predicted.size_bytes

    def to_dict(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "present_bytes": self.present_bytes,
            "kept_bytes": self.kept_bytes,
            "span_bytes": self.span_bytes,
            "managed_estimate_bytes": self.managed_bytes,
            "wanted_bytes": self.wanted_bytes,
            "predicted": [[item.start, item.end] for item in self.predicted],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The verdict on one command line for one topology."""

    args: str
    topology: str
    profile: str | None
    entries: tuple[memmap.Entry, ...]
    nodes: tuple[NodeReview, ...]
    cpus: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """No finding is an error."""
        return all(item.severity < Severity.ERROR for item in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": REVIEW_SCHEMA_VERSION,
            "args": self.args,
            "topology": self.topology,
            "profile": self.profile,
            "ok": self.ok,
            "entries": [{"token": e.token, "does": e.sentence} for e in self.entries],
            "nodes": [item.to_dict() for item in self.nodes],
            "cpus": list(self.cpus),
            "findings": [item.to_dict() for item in self.findings],
        }


def review(args: str | Iterable[str], topology: Topology, profile: Profile | None = None) -> Review:
    """Judge a command line (text, or a list of arguments) for a machine.

    With a profile the review also says where node by node too much or too little would remain.
    Raises PlanError only for an architecture without memmap=.
    """
    refuse_without_memmap(topology)
    line = args if isinstance(args, str) else " ".join(args)
    outcome = memmap.apply(topology.firmware, line)
    cpus = cpus_coming_up(topology, line)
    nodes = tuple(_node(topology, node, outcome) for node in topology.nodes)
    findings = [
        *review_rules.command_line(line, outcome),
        *review_rules.regions(topology, line, outcome),
        *review_rules.remains(topology, outcome),
    ]
    if profile is not None:
        try:
            layout = plan(topology, profile)
        except PlanError as error:
            findings.append(Finding(severity=Severity.ERROR, code="profile", sentence=str(error)))
        else:
            differs = list(review_rules.against(topology, layout, profile, outcome))
            findings += differs
            wanted = {item.node: item.wanted_bytes for item in layout.nodes}
            nodes = tuple(
                _node(topology, item.node, outcome, wanted.get(item.node)) for item in nodes
            )
            sizes = [(n.kept_bytes, n.span_bytes, n.wanted_bytes) for n in nodes if n.wanted_bytes]
            findings += review_rules.other_meaning(sizes, profile) if differs else ()
    findings += review_rules.cpus(topology, line, cpus, profile)
    findings.sort(key=lambda item: -item.severity)
    return Review(
        args=line,
        topology=topology.name,
        profile=profile.name if profile else None,
        entries=outcome.entries,
        nodes=nodes,
        cpus=cpus,
        findings=tuple(findings),
    )


def cpus_coming_up(topology: Topology, line: str) -> tuple[int, ...]:
    """The CPUs that a boot with `line` brings up, in the firmware's order."""
    return tuple(cpu.number for cpu in topology.cpus[: cmdline.cpu_limit(line)])


def _node(
    topology: Topology, node: int, outcome: memmap.Outcome, wanted: int | None = None
) -> NodeReview:
    span = topology.span(node)
    predicted = outcome.system_ram.intersect(span)
    taken = RangeSet.of(
        entry.range
        for entry in outcome.entries
        if entry.range and (entry.kind is memmap.Kind.CAP or review_rules.takes_ram(entry))
    )
    managed = memtotal_estimate(
        predicted, low_node=node == low_node(topology), cpus_possible=len(topology.cpus)
    )
    return NodeReview(
        node=node,
        present_bytes=topology.node_ram(node).size_bytes,
        predicted=predicted,
        span_bytes=span.subtract(taken).size_bytes,
        managed_bytes=managed,
        wanted_bytes=wanted,
    )
