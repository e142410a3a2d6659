"""From the facts of one host to its checks: which layout is expected, and how it compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core.check import Check, Verdict, judged
from hotkit.core.diagnosis import Cause, diagnose
from hotkit.core.footprint import layout_memtotal_bounds
from hotkit.core.layout import Layout
from hotkit.core.memorypair import MemoryPair, pair_of
from hotkit.core.observed import Observed
from hotkit.core.plan import plan
from hotkit.core.plan_error import PlanError
from hotkit.core.verdicts import expectations
from hotkit.host.profiles import load_profile
from hotkit.parse.bootreference import cache_of, free_of
from hotkit.parse.meminfo import parse_meminfo
from hotkit.parse.observed import observe


class NothingExpected(Exception):
    """Nobody says which layout the host should have; the message says where it was looked for."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a host could not be checked at all."""

    sentence: str
    unreachable: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        outcome = "unreachable" if self.unreachable else "problem"
        return {"outcome": outcome, "problem": self.sentence}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The outcome for one host: what was expected, every check, and the causes if one failed."""

    layout: Layout
    observed: Observed
    checks: tuple[Check, ...]
    causes: tuple[Cause, ...]
    memory: MemoryPair | None = None

    @property
    def passed(self) -> bool:
        return all(item.verdict is Verdict.PASS for item in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        label = self.observed.label
        return {
            "outcome": "pass" if self.passed else "fail",
            "layout": self.layout.to_dict(),
            "kernel_release": self.observed.kernel_release,
            "cmdline": self.observed.cmdline,
            "boot_id": self.observed.boot_id,
            "platform": str(label.platform),
            "nested": label.nested,
            "checks": [item.to_dict() for item in self.checks],
            "causes": [item.to_dict() for item in self.causes],
            "memory": self.memory.to_dict() if self.memory else None,
        }


def judge(
    facts: Mapping[str, Any], wanted: Mapping[str, Any], *, host: str = "the host"
) -> Judgement:
    """Compare a host's facts with what is wanted of it.

    `wanted` says what to expect: `layout` (Layout.to_dict), or `profile` (what the inventory's
    hotkit_profile holds, with `overrides`; planned here on the topology that the firmware shows
    now), or neither: then what provisioning recorded on the host in /var/lib/hotkit/state.json.
    `kernel` is the release that must run, `kernel_build` the patched kernel (default: the one that
    is recorded with the layout). Raises NothingExpected.
    """
    observed = observe(facts, host=host)
    layout = _expected(observed, facts, wanted)
    bounds = layout_memtotal_bounds(layout, _possible_cpus(observed))
    checks = list(
        expectations(
            layout,
            observed,
            memtotal=bounds,
            kernel=wanted.get("kernel") or None,
            build=wanted.get("kernel_build") or _recorded_build(facts, layout),
        )
    )
    recorded = _recorded(facts)
    if recorded is not None:
        checks.append(_check_record(layout, str(recorded.get("id"))))
    fine = all(item.verdict is Verdict.PASS for item in checks)
    causes = () if fine else diagnose(layout, observed)
    return Judgement(
        layout=layout,
        observed=observed,
        checks=tuple(checks),
        causes=causes,
        memory=_memory_pair(facts, layout, observed),
    )


def _expected(observed: Observed, facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> Layout:
    if wanted.get("layout"):
        return Layout.from_dict(wanted["layout"])
    if wanted.get("profile"):
        if observed.topology is None:
            raise NothingExpected("the firmware's tables could not be read, so nothing is planned")
        profile = load_profile(wanted["profile"], wanted.get("overrides"))
        try:
            return plan(observed.topology, profile)
        except PlanError as error:
            raise NothingExpected(f"the profile does not fit this machine: {error}") from None
    recorded = _recorded(facts)
    if recorded is None:
        raise NothingExpected(
            "no layout to compare with: /var/lib/hotkit/state.json is not there, and neither "
            "--hotkit-layout nor an inventory's profile was given"
        )
    return Layout.from_dict(dict(recorded))


def _recorded(facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    state = facts.get("state")
    layout = state.get("layout") if isinstance(state, Mapping) else None
    return layout if isinstance(layout, Mapping) else None


def _recorded_build(facts: Mapping[str, Any], layout: Layout) -> Mapping[str, Any] | None:
    """The patched kernel that provisioning gave this layout, by the host's own record."""
    recorded = _recorded(facts)
    mine = recorded is not None and recorded.get("id") == layout.id
    build = facts["state"].get("kernel_build") if mine else None
    return build if isinstance(build, Mapping) else None


def _memory_pair(facts: Mapping[str, Any], layout: Layout, observed: Observed) -> MemoryPair | None:
    """What provisioning foretold of this layout's memory, beside what came; None without either."""
    state = facts.get("state")
    said = state.get("memory") if isinstance(state, Mapping) else None
    if not isinstance(said, Mapping) or said.get("layout_id") != layout.id:
        return None
    if layout.token not in observed.cmdline.split():
        return None
    sizes = {
        int(number): fields
        for number, item in (facts.get("nodes") or {}).items()
        if "MemTotal:" in str(item.get("meminfo"))
        for fields in [parse_meminfo(str(item["meminfo"]))]
    }
    return pair_of(
        said,
        memtotal={node: fields["MemTotal"] for node, fields in sizes.items()},
        memfree=free_of(facts, sizes),
        cache_bytes=cache_of(facts),
        facts={
            "host": observed.host,
            "boot_id": observed.boot_id,
            "layout_id": layout.id,
            "profile": layout.profile,
            "kernel_release": observed.kernel_release,
            "cmdline": observed.cmdline,
            "platform": str(observed.label.platform),
            "nested": observed.label.nested,
            "uptime_s": float(facts.get("uptime_s") or 0),
        },
    )


def _possible_cpus(observed: Observed) -> int:
    return len(observed.cpu_nodes) or len(observed.cpus_online)


def _check_record(layout: Layout, recorded: str) -> Check:
    same = recorded == layout.id
    return judged(
        "record",
        layout.id,
        recorded,
        same,
        "The host's record names the same layout."
        if same
        else "The host's state.json names another layout: the profile or the machine has changed "
        "since it was provisioned.",
    )
