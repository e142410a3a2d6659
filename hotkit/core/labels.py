"""What kind of machine a figure comes from; every figure carries this label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Platform(StrEnum):
    """How the machine's instructions run.

    `emulated` is a machine whose CPU is software (QEMU's TCG), at whatever depth: its figures show
    that something works, never what it costs on hardware. `virtual` runs on a real CPU below a
    hypervisor; `metal` has no hypervisor that it can see. `unknown` is where a record of another
    tool comes from: no agent of ours was there.
    """

    METAL = "metal"
    VIRTUAL = "virtual"
    EMULATED = "emulated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """`platform` and `nested`, and the sentence by which the agent found out."""

    platform: Platform
    nested: bool = False
    evidence: str = ""

    @property
    def costs_hold_for_hardware(self) -> bool:
        """Whether a cost measured here says anything about hardware."""
        return self.platform not in (Platform.EMULATED, Platform.UNKNOWN)

    def to_dict(self) -> dict[str, str | bool]:
        """JSON form, as reports carry it."""
        return {"platform": str(self.platform), "nested": self.nested, "evidence": self.evidence}

    def __str__(self) -> str:
        if self.platform is Platform.UNKNOWN:
            return "machine not known"
        return f"{self.platform}, nested" if self.nested else str(self.platform)


def label_of(platform: str, *, nested: bool = False, evidence: str = "") -> Label:
    """The label for the words that an agent sent. Raises ValueError for a word it does not know."""
    return Label(platform=Platform(platform), nested=nested, evidence=evidence)


def machine_label(machine: Mapping[str, Any]) -> Label:
    """The label of a machine as the agent's `hello` describes it."""
    return label_of(
        machine["platform"],
        nested=bool(machine.get("nested")),
        evidence=machine["platform_evidence"],
    )
