"""The story of `hotkit guest`: guests of an inventory's hosts are chosen, looked at and entered.

Starting and ending them goes through a playbook: guestplay.py.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hotkit import lab
from hotkit.agent.guest.identity import SSH_CONFIG
from hotkit.agent.guest.life import ROOT
from hotkit.agentplace import Place, install
from hotkit.core.guestoutcome import GuestOutcome, asleep, told, untold
from hotkit.core.guestspec import Guest, description
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import ask_agent
from hotkit.host.guestspec import guests_of
from hotkit.host.inventory import load_inventory
from hotkit.host.run import run
from hotkit.host.runs import new_run_folder
from hotkit.host.ssh import Ssh
from hotkit.host.zipapp import Built, build_agent

AT_ONCE = 8
# The agent logs in to the guest; where both are emulated each step takes its seconds.
_SECONDS = 180

Say = Callable[[str, str], None]  # (host, what happens there now)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGuests:
    """A host and those of its guests that are meant; `runs`: it may be reached."""

    place: Place
    guests: tuple[Guest, ...]
    runs: bool

    def asleep(self) -> list[GuestOutcome]:
        """The outcomes on a machine of the lab that is not started."""
        return [asleep(self.place.name, guest) for guest in self.guests]


def choose(inventory: str | Path, *, limit: str | None, guest: str | None) -> list[HostGuests]:
    """Hosts that have guests, in the inventory's order. Raises HotkitError for bad input."""
    known = load_inventory(inventory, limit)
    of_hosts = [(host, guests_of(host, known)) for host in known.hosts]
    if not any(guests for _, guests in of_hosts):
        names = ", ".join(host.name for host in known.hosts)
        raise HotkitError(
            f"no host of {inventory} has guests ({names})",
            hint="hotkit_guests in the inventory says what guests a host has (docs/guests.md)",
        )
    running = lab.running() if any(host.machine for host in known.hosts) else []
    found = [
        HostGuests(
            place=Place(host.name, host, known),
            guests=tuple(one for one in guests if guest in (None, one.name)),
            runs=host.machine is None or host.name in running,
        )
        for host, guests in of_hosts
    ]
    found = [item for item in found if item.guests]
    if not found:
        names = ", ".join(f"{one.name} of {host.name}" for host, gs in of_hosts for one in gs)
        raise HotkitError(f"{inventory} has no guest {guest!r}", hint=f"guests: {names}")
    return found


def look(
    inventory: str | Path, *, limit: str | None = None, guest: str | None = None,
    say: Say = lambda host, what: None,
) -> list[GuestOutcome]:  # fmt: skip
    """How each guest is; nothing is changed but that the agent is installed where it is not."""
    chosen = choose(inventory, limit=limit, guest=guest)
    agent = build_agent()
    folder = new_run_folder("guest-status")

    def one(item: HostGuests) -> list[GuestOutcome]:
        return _look_at(item, agent, folder, say) if item.runs else item.asleep()

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return [outcome for found in pool.map(one, chosen) for outcome in found]


def _look_at(item: HostGuests, agent: Built, folder: Path, say: Say) -> list[GuestOutcome]:
    place = item.place
    try:
        say(place.name, "is the agent there?")
        path = install(place, (agent,), folder / place.name)[0]
    except HotkitError as error:
        return [failed(place.name, guest, error) for guest in item.guests]
    found = []
    for guest in item.guests:
        say(place.name, f"guest {guest.name}: asking the agent")
        argv = place.words([place.python, path, "guest", "status"])
        line = json.dumps(description(guest)) + "\n"
        try:
            done = run(argv, check=False, timeout=_SECONDS, input=line)
            # With 1 it ends when a guest is not well, and says so in its event.
            events = ask_agent(done, host=place.name, fine=(0, 1))
            found.append(told_by(place.name, guest, events))
        except HotkitError as error:
            found.append(failed(place.name, guest, error))
    say(place.name, "answered")
    return found


def told_by(host: str, guest: Guest, events: Sequence[dict[str, object]]) -> GuestOutcome:
    """The outcome among the agent's events. Raises HotkitError when there is none."""
    for event in events:
        about = event.get("guest")
        if event["type"] == "probe" and isinstance(about, dict):
            return told(host, guest, about)
    raise HotkitError(
        f"{host}: the agent said nothing of guest {guest.name}",
        hint=f"how it is: hotkit guest status --limit {host}",
        exit_code=ExitCode.VERDICT_FAILED,
    )


def failed(host: str, guest: Guest, error: HotkitError) -> GuestOutcome:
    """The outcome that an error is; what it says of the host's name is known already."""
    return untold(
        host, guest, error.message.removeprefix(f"{host}: "), error.hint,
        answered=error.exit_code != ExitCode.UNREACHABLE,
    )  # fmt: skip


def enter(
    inventory: str | Path, words: Sequence[str], *, limit: str | None, guest: str | None, tty: bool
) -> NoReturn:
    """Become an ssh through the host into the one guest that is meant. Raises HotkitError.

    One word goes to the guest's shell, several are taken as they are; none is a session.
    """
    chosen = choose(inventory, limit=limit, guest=guest)
    names = [f"{one.name} of {item.place.name}" for item in chosen for one in item.guests]
    if len(names) != 1:
        raise HotkitError("say which guest", hint=f"--guest or --limit: {', '.join(names)}")
    (item,) = chosen
    host, name = item.place.host, item.guests[0].name
    assert host is not None
    if not item.runs:
        raise HotkitError(
            f"{item.place.name} does not run", hint=f"hotkit lab up {item.place.name}",
            exit_code=ExitCode.UNREACHABLE,
        )  # fmt: skip
    config = str(ROOT / name / SSH_CONFIG)
    # By its key the guest knows root of the host only.
    as_root = ["sudo", "-n", "--"] if host.way.become else []
    way = Ssh(host.way)
    if way.run([*as_root, "test", "-e", config], check=False, timeout=60).returncode != 0:
        raise HotkitError(
            f"{item.place.name}: guest {name} was not started or found yet",
            hint=f"hotkit guest up {inventory} --limit {item.place.name} --guest {name}",
            exit_code=ExitCode.UNREACHABLE,
        )
    inner = ["ssh", "-F", config, *(["-t"] if tty else []), name]
    if words:
        # The guest's shell takes one line apart again.
        inner += ["--", words[0] if len(words) == 1 else shlex.join(words)]
    way.become([*as_root, *inner])
