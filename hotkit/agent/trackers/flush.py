"""The modes of a patched kernel's scans (docs/kernel.md), as a setting: which TLBs are flushed."""

from __future__ import annotations

import os
from pathlib import Path

from hotkit.agent.access import no_debugfs, reachable, refused
from hotkit.agent.counters import HOTKIT, pairs
from hotkit.agent.trackers.base import Probe, Setting, Settings
from hotkit.agent.undo import Undo

MODES = {"stock": 0, "primary": 1, "primary+secondary": 3, "always": 4}
FLUSH = Setting(
    "stock",
    "TLBs flushed after an A bit was cleared: none, the CPU's of young entries, KVM's too, all",
    choices=tuple(MODES),
)


def mode_file(scan: str) -> Path:
    return Path(HOTKIT + scan + "_mode")


def why_not(scan: str, settings: Settings) -> Probe | None:
    """What stands against the setting `flush` here; None when nothing does."""
    if settings["flush"] == "stock":
        return None
    return no_hotkit(f"flush: {settings['flush']}", mode_file(scan))


def no_hotkit(what: str, file: Path, flags: int = os.O_RDWR) -> Probe | None:
    """Why `what` cannot use this file of the patched kernel; None when it can."""
    why = no_debugfs()
    if why is None and not reachable(file):
        why = (
            f"{what} needs hotkit's patched kernel: there is no {file}",
            "hotkit kernel build, then hotkit_kernel: lab (or host) in the inventory and provision",
        )
    why = why or refused(file, flags)
    return Probe(False, *why) if why else None


def set_mode(undo: Undo, scan: str, settings: Settings) -> None:
    """Put the mode in force; a kernel without switches is stock already."""
    if mode_file(scan).exists():
        undo.write(str(mode_file(scan)), str(MODES[settings["flush"]]))


def kernel_counts(scan: str) -> dict[str, int]:
    """The patched kernel's counters of one scan, without its name; {} on another kernel."""
    try:
        text = Path(HOTKIT + "counters").read_text()
    except OSError:
        return {}
    prefix = scan + "_"
    return {k[len(prefix) :]: v for k, v in pairs(text) if k.startswith(prefix)}
