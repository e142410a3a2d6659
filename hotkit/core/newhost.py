"""What `hotkit init` knows of a host: what was found there, and which profiles fit it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core.newinventory import Power
from hotkit.core.plaintext import plain_line
from hotkit.core.preflight import Concern
from hotkit.core.topology import Topology

HOSTS_FILE = "hosts.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One profile on the host, and what provision's own plan says of it."""

    title: str
    profile: str | Mapping[str, Any]
    refusals: tuple[Concern, ...]
    warnings: tuple[Concern, ...]

    @property
    def fits(self) -> bool:
        """Nothing stands against it; somebody at work there now is no reason for another one."""
        return not [item for item in self.refusals if item.step != "held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHost:
    """What was found, and the inventory that would be written into `folder`.

    `facts` are those of agent/gather.py, `ref` what the user called the host.
    """

    name: str
    ref: str
    facts: Mapping[str, Any]
    vendor: str | None
    topology: Topology
    power: Power
    fits: tuple[Fit, ...]
    chosen: Fit | None
    folder: str
    text: str

    @property
    def path(self) -> str:
        """The file that would be written."""
        return f"{self.folder.rstrip('/')}/{HOSTS_FILE}"

    @property
    def next_command(self) -> str:
        """What to do with the inventory; changes nothing on the host."""
        folder = shlex.quote(self.folder)
        if self.chosen is None:
            return f"hotkit doctor -i {folder}"
        return f"hotkit provision {folder} --check --diff"

    @property
    def system(self) -> str:
        """Machine, operating system, kernel and loader in one line, safe to print."""
        release = self.facts.get("os_release") or {}
        nested = ", nested" if self.facts.get("nested") else ""
        words = [
            f"{self.facts.get('platform') or 'unknown'}{nested}",
            self.vendor,
            release.get("PRETTY_NAME") or release.get("ID"),
            f"kernel {self.facts.get('kernel_release')}",
            f"loader {(self.facts.get('boot') or {}).get('loader') or 'unknown'}",
        ]
        return plain_line(", ".join(str(word) for word in words if word))
