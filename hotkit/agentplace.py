"""Where an agent runs, and how it gets there: this machine, or a host of an inventory over ssh."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotkit import lab
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.ansible import PlaybookRun
from hotkit.host.inventory import Host, Inventory, load_inventory
from hotkit.host.ssh import Ssh
from hotkit.host.zipapp import Built

AGENT_DIRECTORY = "/var/lib/hotkit/agent"


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where the agent runs: this machine (`host` None) or a host of an inventory."""

    name: str
    host: Host | None
    inventory: Inventory | None

    def words(self, argv: Sequence[str]) -> list[str]:
        """What to start here so that `argv` runs there as root."""
        if self.host is None:
            return list(argv)
        sudo = ["sudo", "-n", "--"] if self.host.way.become else []
        return Ssh(self.host.way).argv([*sudo, *argv])

    def paths(self, files: Sequence[Built]) -> list[str]:
        """Where these files are there, once they are installed."""
        if self.host is None:
            return [str(built.path) for built in files]
        return [f"{AGENT_DIRECTORY}/{built.path.name}" for built in files]

    @property
    def python(self) -> str:
        if self.host is None:
            return sys.executable
        named = str(self.host.variables.get("ansible_python_interpreter", ""))
        return named if named.startswith("/") else "python3"


def find_place(inventory: str | Path, limit: str | None, local: bool) -> Place:
    """This machine, or the first host of the inventory that may be reached. Raises HotkitError."""
    return find_places(inventory, limit, local)[0]


def find_places(inventory: str | Path, limit: str | None, local: bool) -> list[Place]:
    """This machine, or all hosts of the inventory that may be reached. Raises HotkitError."""
    if local:
        return [Place("localhost", None, None)]
    known = load_inventory(inventory, limit)
    running = lab.running() if any(host.machine for host in known.hosts) else []
    # A machine of the lab must run; of any other we cannot know without asking it.
    found = [
        Place(host.name, host, known)
        for host in known.hosts
        if host.machine is None or host.name in running
    ]
    if found:
        return found
    names = ", ".join(host.name for host in known.hosts)
    raise HotkitError(
        f"no machine of {inventory} runs ({names})",
        hint=f"hotkit lab up {known.hosts[0].name}",
        exit_code=ExitCode.UNREACHABLE,
    )


def place_of(inventory: str | None, name: str) -> Place:
    """The place of a sweep that was begun earlier: without an inventory it is this machine."""
    if inventory is None:
        return Place(name, None, None)
    known = load_inventory(inventory, name)
    return Place(name, known.hosts[0], known)


def install(place: Place, files: Sequence[Built], folder: Path) -> list[str]:
    """Bring these files there unless they are; returns their paths on the host."""
    paths = place.paths(files)
    if place.host is None or place.inventory is None:
        return paths
    sudo = ["sudo", "-n", "--"] if place.host.way.become else []
    found = Ssh(place.host.way).run([*sudo, "sha256sum", *paths], check=False, timeout=60)
    if [line.split()[0] for line in found.stdout.splitlines()] != [b.sha256 for b in files]:
        playbook = PlaybookRun(
            "sweep", place.inventory.path, _new(folder / "ansible"), hosts=[place.name],
            extra={"agent_files": [str(b.path) for b in files], "agent_directory": AGENT_DIRECTORY},
        )  # fmt: skip
        with playbook as events:
            for event in events:
                if event.kind in ("failed", "unreachable"):
                    gone = event.kind == "unreachable"
                    raise HotkitError(
                        f"{place.name}: {event.task}: {event.message or event.kind}",
                        hint=f"log: {playbook.log}",
                        exit_code=ExitCode.UNREACHABLE if gone else ExitCode.VERDICT_FAILED,
                    )
    return paths


def _new(folder: Path) -> Path:
    """This folder, or one with a number: a host may have to get its files more than once."""
    number = 1
    found = folder
    while found.exists():
        number += 1
        found = folder.with_name(f"{folder.name}-{number}")
    return found
