"""The workloads, by name. A new one is one file and one line here."""

from __future__ import annotations

from hotkit.agent.workloads.base import Workload
from hotkit.agent.workloads.command import Command
from hotkit.agent.workloads.hotset import Hotset

# zipf is the same program: its parameters say which distribution.
WORKLOADS: dict[str, type[Workload]] = {"hotset": Hotset, "zipf": Hotset, "command": Command}
