"""Between the parts of a sweep: a host is booted into the layout that the next part asks for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hotkit.agentplace import Place
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.ansible import PlaybookRun
from hotkit.host.runs import new_run_folder
from hotkit.host.ssh import Ssh
from hotkit.hostoutcome import HostOutcome
from hotkit.provision import provision

Say = Callable[[str], None]


def boot_into(place: Place, layout: str, others: Collection[str], say: Say) -> None:
    """See that a host runs `layout`, in a boot that is none of `others` (boot ids).

    Through the same way as `hotkit provision`: the entry is written, armed for one boot, booted and
    verified. A host that runs the layout already is left alone. The caller has somebody's consent
    to reboot. Raises HotkitError.
    """
    if place.host is None or place.inventory is None:
        raise HotkitError(
            "layouts: this machine is not booted into another layout by itself",
            hint="name an inventory, or leave layouts out to measure it as it is",
        )
    if others and _boot_id(place) in others:
        say("rebooting: the next part is of another boot")
        _reboot(place)
    result = provision(
        str(place.inventory.path), _Quiet(say), lambda: True, limit=place.name, profile=layout
    )
    (outcome,) = result.hosts
    if outcome.status != "ok":
        raise HotkitError(
            f"{place.name}: layout {layout}: {outcome.sentence}",
            hint=outcome.hint,
            exit_code=result.exit_code if result.exit_code else ExitCode.VERDICT_FAILED,
        )


def _boot_id(place: Place) -> str:
    assert place.host is not None
    found = Ssh(place.host.way).run(["cat", "/proc/sys/kernel/random/boot_id"], timeout=60)
    return str(found.stdout).strip()


def _reboot(place: Place) -> None:
    assert place.inventory is not None
    folder = new_run_folder("reboot") / "ansible"
    with PlaybookRun("reboot", place.inventory.path, folder, hosts=[place.name]) as events:
        for event in events:
            if event.kind in ("failed", "unreachable"):
                raise HotkitError(
                    f"{place.name}: the reboot failed: {event.message or event.kind}",
                    hint=f"logs: {folder}",
                    exit_code=ExitCode.UNREACHABLE,
                )


class _Quiet:
    """The steps of provisioning as lines of the sweep's own progress."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def step(self, host: str, step: str) -> None:
        self._say(f"provision: {step}")

    def console_line(self, host: str, line: str) -> None:
        pass

    def done(self, host: str, outcome: HostOutcome) -> None:
        self._say(f"provision: {outcome.sentence or outcome.status}")

    def plans(self, plans: Sequence[Mapping[str, Any]]) -> None:
        pass

    def diff(self, host: str, diffs: Sequence[Mapping[str, Any]]) -> None:
        pass


def layout_name(layout: str) -> str:
    """What a layout is called in a sweep: its profile's name, or that of its file."""
    return Path(layout).stem if layout.endswith((".yml", ".yaml")) else layout
