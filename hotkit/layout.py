"""The story of `hotkit layout`: find topology and profile, plan, review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotkit.core.layout import Layout
from hotkit.core.plan import plan
from hotkit.core.plan_error import PlanError
from hotkit.core.profile import Profile
from hotkit.core.review import Review, review
from hotkit.core.topology import Topology
from hotkit.errors import HotkitError
from hotkit.host.profiles import Locate, load_profile, profile_locator
from hotkit.topology import load_topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A layout with what it was made of; `review` is what the reviewer says to our own line."""

    topology: Topology
    profile: Profile
    layout: Layout
    review: Review


def make_layout(topology: Topology, profile: Profile, locate: Locate | None = None) -> Layout:
    """`core.plan.plan`, with what cannot be had as a HotkitError.

    `locate` finds the place where a key of the profile was written, to open the message with.
    """
    try:
        return plan(topology, profile)
    except PlanError as error:
        position = locate(tuple(error.key.split("."))) if locate and error.key else None
        where = f"{position}: " if position else ""
        raise HotkitError(f"{where}{error}", hint=error.hint) from error


def plan_layout(
    profile_ref: str | Path | Mapping[str, Any],
    topology_ref: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    inventory: str | Path | None = None,
) -> Planned:
    """Plan `profile_ref` (see `load_profile`) on `topology_ref` (see `load_topology`)."""
    profile = load_profile(profile_ref, overrides)
    topology = load_topology(topology_ref, inventory)
    layout = make_layout(topology, profile, profile_locator(profile_ref))
    return Planned(
        topology=topology,
        profile=profile,
        layout=layout,
        review=review(layout.args, topology, profile),
    )


def check_cmdline(
    line: str,
    topology_ref: str,
    *,
    profile_ref: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    inventory: str | Path | None = None,
) -> tuple[Topology, Review]:
    """Review a command line for a machine."""
    profile = load_profile(profile_ref, overrides) if profile_ref else None
    topology = load_topology(topology_ref, inventory)
    try:
        return topology, review(line, topology, profile)
    except PlanError as error:
        raise HotkitError(str(error), hint=error.hint) from error
