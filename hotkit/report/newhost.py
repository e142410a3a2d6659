"""What `hotkit init` found on a host, and what it would write."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.newhost import Fit, NewHost
from hotkit.core.plaintext import plain_line
from hotkit.report.layout import topology_report


def found_report(found: NewHost) -> RenderableType:
    """The machine, its nodes, which profiles fit and why others do not, its BMC, the text."""
    return Group(
        Text(f"{found.name}: {found.system}"),
        topology_report(found.topology),
        _profiles(found),
        Text(f"power: {found.power.sentence}"),
        Text(f"\n{found.path}:", style="bold"),
        Text(found.text),
    )


def _profiles(found: NewHost) -> Table:
    table = Table("profile", "fits", "why not, or what to know")
    for fit in found.fits:
        chosen = " (chosen)" if fit is found.chosen else ""
        table.add_row(f"{fit.title}{chosen}", "yes" if fit.fits else "no", "\n".join(_words(fit)))
    return table


def _words(fit: Fit) -> list[str]:
    concerns = fit.warnings if fit.fits else fit.refusals
    return [plain_line(item.message) for item in concerns] or ["-"]


def found_dict(found: NewHost, *, written: bool) -> dict[str, Any]:
    """JSON form, without the topology."""
    release = found.facts.get("os_release") or {}
    return {
        "schema_version": 1,
        "host": found.name,
        "asked": found.ref,
        "platform": found.facts.get("platform"),
        "nested": bool(found.facts.get("nested")),
        "machine": found.vendor,
        "os": release.get("PRETTY_NAME"),
        "kernel_release": found.facts.get("kernel_release"),
        "loader": (found.facts.get("boot") or {}).get("loader"),
        "power": {
            "ipmi": found.power.ipmi,
            "redfish": found.power.redfish,
            "bmc_address": found.power.bmc_address,
        },
        "profiles": [
            {
                "profile": fit.profile,
                "fits": fit.fits,
                "refusals": [item.to_dict() for item in fit.refusals],
                "warnings": [item.to_dict() for item in fit.warnings],
            }
            for fit in found.fits
        ],
        "chosen": found.chosen.profile if found.chosen else None,
        "path": found.path,
        "inventory": found.text,
        "written": written,
        "next": found.next_command,
    }
