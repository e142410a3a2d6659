"""The workloads, by name. A new one is one file and one line here."""

from __future__ import annotations

from hotkit.agent.workloads.hotset import Hotset

WORKLOADS: dict[str, type[Hotset]] = {"hotset": Hotset}
