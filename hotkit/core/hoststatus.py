"""What one host is up to, from its facts: what runs, what is armed or committed, what is left."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core import cmdline, grubenv
from hotkit.core.grub_block import remove
from hotkit.core.grub_cfg import OUR_PREFIX
from hotkit.core.plaintext import plain_line
from hotkit.errors import HotkitError


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """One row of `hotkit status`.

    `runs` is "stock" or the id of the layout that runs; `journal` the state that provisioning
    recorded, `since` when; `armed` the entry that the next boot takes, `held_by` who works on it;
    `advice` one sentence for what is odd, None when nothing is. `problem`: why nothing is known.
    """

    host: str
    problem: str | None = None
    kernel: str | None = None
    runs: str | None = None
    profile: str | None = None
    journal: str | None = None
    since: str | None = None
    armed: str | None = None
    held_by: str | None = None
    power: str | None = None
    console: str | None = None
    left_over: tuple[str, ...] = ()
    advice: str | None = None

    @property
    def reachable(self) -> bool:
        return self.problem is None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "host": self.host,
            "reachable": self.reachable,
            "problem": self.problem,
            "kernel": self.kernel,
            "runs": self.runs,
            "profile": self.profile,
            "journal": self.journal,
            "since": self.since,
            "armed": self.armed,
            "held_by": self.held_by,
            "power": self.power,
            "console": self.console,
            "left_over": list(self.left_over),
            "advice": self.advice,
        }


def status_from_facts(
    host: str, facts: Mapping[str, Any], *, power: str | None = None, console: str | None = None
) -> HostStatus:
    """Read a host's facts (docs/architecture.md); `power` and `console` are the inventory's."""
    state = facts.get("state") if isinstance(facts.get("state"), Mapping) else None
    journal = _word(state, "state")
    running = cmdline.values(str(facts.get("cmdline") or ""), "hotkit.id")
    runs = (running[-1] or "?") if running else "stock"
    armed = _armed(facts)
    entry, broken = _entry(facts)
    left = tuple(_left_over(state, runs, entry, broken))
    lease = facts.get("lease")
    held_by = None
    if isinstance(lease, Mapping):
        held_by = plain_line(
            f"{lease.get('who')}, since {lease.get('since')}, until {lease.get('until')}"
        )
    layout = state.get("layout") if state else None
    return HostStatus(
        host=host,
        kernel=plain_line(str(facts.get("kernel_release") or "")) or None,
        runs=plain_line(runs),
        profile=_word(layout, "profile") if isinstance(layout, Mapping) else None,
        journal=journal,
        since=_word(state, "since"),
        armed=armed,
        held_by=held_by,
        power=power,
        console=console,
        left_over=left,
        advice=_advice(journal, runs, armed, left, held_by, broken),
    )


def _word(data: Mapping[str, Any] | None, key: str) -> str | None:
    value = data.get(key) if data else None
    return None if value is None else plain_line(str(value))


def _armed(facts: Mapping[str, Any]) -> str | None:
    """Ours, when it is what GRUB boots next."""
    written = (facts.get("boot") or {}).get("grubenv")
    if not written:
        return None
    try:
        entry = grubenv.parse(base64.b64decode(written)).get("next_entry")
    except (HotkitError, ValueError):  # no base64, or not what GRUB would read
        return None
    return plain_line(entry) if entry and entry.startswith(OUR_PREFIX) else None


def _entry(facts: Mapping[str, Any]) -> tuple[bool, HotkitError | None]:
    """Whether custom.cfg holds our block; the error when it holds parts of one."""
    custom = str((facts.get("boot") or {}).get("custom_cfg") or "")
    try:
        return remove(custom) != custom, None
    except HotkitError as error:
        return False, error


def _left_over(
    state: Mapping[str, Any] | None, runs: str, entry: bool, broken: HotkitError | None
) -> list[str]:
    found = [broken.message] if broken else []
    if entry and state is None:
        found.append("an entry in custom.cfg without a journal")
    if runs != "stock" and state is None:
        found.append("a running layout without a journal")
    if state is None:
        return found
    if "unreadable" in state:
        found.append("a state.json that is no JSON")
    gone = not entry and not broken and state.get("state") != "planned"
    if gone and state.get("method") == "entry":
        found.append("a journal whose entry is gone from custom.cfg")
    if state.get("pmem") and not state.get("originals"):
        # Its files are back; what is left of a rollback waits for the stock entry.
        found.append("a namespace of PMEM that hotkit made")
    return found


def _advice(
    journal: str | None, runs: str, armed: str | None, left: tuple[str, ...], held_by: str | None,
    broken: HotkitError | None,
) -> str | None:  # fmt: skip
    if held_by:
        return "somebody is at work on it: wait"
    if broken:
        return broken.hint
    if left:
        return "hotkit rollback puts it back"
    if armed and runs == "stock":
        return "the next reboot boots the layout once; hotkit provision goes on from here"
    if journal in ("planned", "staged"):
        return "a call was cut off before the entry was armed; hotkit provision goes on from here"
    if journal == "armed":
        return "it was armed and did not come up; hotkit provision tries again, or rollback"
    if journal == "trial":
        return "it was never verified: hotkit provision goes on, or its guard takes it back"
    if journal == "fell-back":
        return "its last trial fell back; hotkit rollback, or another profile"
    if journal == "verified" and runs == "stock":
        return "its layout was verified and ran until a reboot; hotkit provision boots it again"
    return None
