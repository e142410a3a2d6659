"""How hosts ended: what `hotkit provision --json` and the exit code are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotkit.core.hostverdict import HostVerdict
from hotkit.errors import ExitCode

RESULT_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOutcome:
    """How one host ended.

    `status`: ok, would-change (check mode), declined, not-started (too many others had failed),
    refused, failed, not-verified, fell-back, unreachable. `ending` is the kind of core/endings.py
    when a console told why a boot failed; `power_reset` says who pressed reset. `changed` counts
    Ansible's changed tasks, `state` is what the host's journal says.
    """

    host: str
    status: str = "ok"
    sentence: str = ""
    hint: str | None = None
    state: str | None = None
    changed: int = 0
    rebooted: bool = False
    reboot_seconds: int | None = None
    power_reset: str | None = None
    ending: str | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    console: tuple[str, ...] = ()
    plan: Mapping[str, Any] | None = field(default=None, repr=False)
    verdict: HostVerdict | None = field(default=None, repr=False)

    @property
    def bad(self) -> bool:
        """Whether it counts as a failure for --max-failures."""
        return self.status not in ("ok", "would-change", "declined")

    def to_dict(self) -> dict[str, Any]:
        """JSON form of `hotkit provision --json`."""
        return {
            "host": self.host,
            "status": self.status,
            "sentence": self.sentence,
            "hint": self.hint,
            "state": self.state,
            "changed": self.changed,
            "rebooted": self.rebooted,
            "reboot_seconds": self.reboot_seconds,
            "power_reset": self.power_reset,
            "ending": self.ending,
            "seconds": round(self.seconds, 1),
            "notes": list(self.notes),
            "console": list(self.console),
            "layout": self.plan.get("layout") if self.plan else None,
            "entry_id": self.plan.get("entry_id") if self.plan else None,
            "cmdline": self.plan.get("cmdline") if self.plan else None,
            "memory": self.plan.get("memory") if self.plan else None,
            "verdict": self.verdict.to_dict() if self.verdict else None,
        }


_CODES = {
    "ok": ExitCode.OK,
    "would-change": ExitCode.OK,
    "declined": ExitCode.OK,
    "refused": ExitCode.BAD_INPUT,
    "failed": ExitCode.VERDICT_FAILED,
    "not-verified": ExitCode.VERDICT_FAILED,
    "not-started": ExitCode.VERDICT_FAILED,
    "fell-back": ExitCode.FELL_BACK,
    "unreachable": ExitCode.UNREACHABLE,
}
# With several hosts the gravest outcome gives the exit code.
_GRAVEST = (
    "fell-back", "refused", "failed", "not-verified", "unreachable", "not-started", "ok",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All hosts' outcomes, and the folder that keeps the logs."""

    folder: Path
    hosts: tuple[HostOutcome, ...]

    @property
    def exit_code(self) -> ExitCode:
        statuses = {item.status for item in self.hosts}
        worst = next((item for item in _GRAVEST if item in statuses), "ok")
        return _CODES[worst]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "schema_version": RESULT_SCHEMA_VERSION,
            "ok": self.exit_code == ExitCode.OK,
            "changed": sum(item.changed for item in self.hosts),
            "rebooted": [item.host for item in self.hosts if item.rebooted],
            "logs": str(self.folder),
            "hosts": [item.to_dict() for item in self.hosts],
        }
