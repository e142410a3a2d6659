"""Ansible's view of the agent: a filter that builds what the role `agent` copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def hotkit_agent_files(_: Any = None) -> list[str]:
    """Paths of the zipapp and the workload on the controller, built when not in the cache."""
    # Here, as in hotkit.py: every fork of Ansible loads this file.
    from hotkit.host.workload import build_hotset
    from hotkit.host.zipapp import build_agent

    return [str(build_agent().path), str(build_hotset().path)]


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hotkit_agent_files": hotkit_agent_files}
