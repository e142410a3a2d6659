"""Guests go up and down by playbooks/guests.yml, host by host; its events become outcomes."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hotkit.core.guestoutcome import GuestOutcome, untold
from hotkit.core.guestspec import Guest
from hotkit.core.plaintext import plain_line
from hotkit.errors import ExitCode, HotkitError
from hotkit.guests import AT_ONCE, HostGuests, Say, choose, failed, told_by
from hotkit.host.agentlink import ask_agent
from hotkit.host.ansible import Event, PlaybookRun
from hotkit.host.runs import new_run_folder

# Names of tasks in roles/vm: what the agent did, and whether that is well.
_ACT = "Guest "
_JUDGE = "It is as wanted: "


def change(
    inventory: str | Path, act: str, *, limit: str | None = None, guest: str | None = None,
    dry_run: bool = False, say: Say = lambda host, what: None,
) -> list[GuestOutcome]:  # fmt: skip
    """Guests `up` or `down`; an outcome each, in the inventory's order.

    A guest that cannot be started, or a host that does not answer, is an outcome and hinders no
    other. Raises HotkitError (exit code 2) for bad input, before any host is contacted.
    """
    chosen = choose(inventory, limit=limit, guest=guest)
    folder = new_run_folder(f"guest-{act}")
    cancelled = threading.Event()

    def one(number: int) -> list[GuestOutcome]:
        item = chosen[number]
        if not item.runs:
            return item.asleep()
        return _host(item, act, dry_run, folder / str(number), cancelled, say)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        jobs = [pool.submit(one, number) for number in range(len(chosen))]
        try:
            return [outcome for job in jobs for outcome in job.result()]
        except BaseException:
            cancelled.set()
            for job in jobs:
                job.cancel()
            raise


def _host(
    item: HostGuests, act: str, dry_run: bool, folder: Path, cancelled: threading.Event, say: Say
) -> list[GuestOutcome]:
    """A guest that fails ends its playbook: the others are played in another one."""
    found: list[GuestOutcome] = []
    while left := item.guests[len(found) :]:
        story = PlayedGuests(item.place.name, left, say)
        inventory = item.place.inventory
        assert inventory is not None
        played = PlaybookRun(
            "guests", inventory.path, folder / str(len(found)), hosts=[item.place.name],
            extra={"vm_state": act, "guests_only": [guest.name for guest in left]},
            check=dry_run, cancelled=cancelled,
        )  # fmt: skip
        try:
            with played as events:
                for event in events:
                    story.take(event)
        except HotkitError as error:
            story.failure = error
        found += story.outcomes(f"log: {played.log}")
    say(item.place.name, "done")
    return found


class PlayedGuests:
    """Reads the events of one host's playbook; `failure` is what ended it for all."""

    def __init__(self, host: str, guests: Sequence[Guest], say: Say) -> None:
        self.host = host
        self.guests = {guest.name: guest for guest in guests}
        self.failure: HotkitError | None = None
        self._say = say
        self._found: dict[str, GuestOutcome] = {}

    def take(self, event: Event) -> None:
        """One event of the playbook, in its order."""
        of_vm = event.role == "vm"
        guest = self.guests.get(event.task.removeprefix(_ACT)) if of_vm else None
        if event.kind == "started" and not event.task.startswith("Validating arguments"):
            self._say(self.host, plain_line(event.task))
        elif event.kind in ("ok", "skipped") and guest is not None:
            self._found[guest.name] = self._outcome(guest, event)
        elif event.kind == "failed":
            self._failed(event)
        elif event.kind == "unreachable":
            # Ansible wraps what ssh said into two sentences of its own.
            said = plain_line(event.message).rpartition("over ssh: ")[2] or "ssh gave no reason"
            self.failure = HotkitError(
                f"the host cannot be reached: {said}", exit_code=ExitCode.UNREACHABLE
            )

    def outcomes(self, log: str) -> list[GuestOutcome]:
        """Of the guests that the playbook came to; of all when it ended for all. One at least."""
        if self.failure is None and self._found:
            return list(self._found.values())
        error = self.failure or HotkitError(
            "the playbook ended without a word of it", exit_code=ExitCode.VERDICT_FAILED
        )
        error.hint = error.hint or log
        return [
            self._found.get(name) or failed(self.host, guest, error)
            for name, guest in self.guests.items()
        ]

    def _outcome(self, guest: Guest, event: Event) -> GuestOutcome:
        if event.kind == "skipped":
            return GuestOutcome(
                host=self.host, guest=guest.name, about=guest.describe(), changed=True,
                said=("the agent is not on the host yet: it would be copied, and asked",),
            )  # fmt: skip
        result = event.result
        done = subprocess.CompletedProcess(
            [], int(result.get("rc", 1)), str(result.get("stdout", "")),
            str(result.get("stderr") or result.get("msg") or ""),
        )  # fmt: skip
        try:
            return told_by(self.host, guest, ask_agent(done, host=self.host, fine=(0, 1)))
        except HotkitError as error:
            return failed(self.host, guest, error)

    def _failed(self, event: Event) -> None:
        message = plain_line(event.message) or "no reason given"
        name = event.task.removeprefix(_JUDGE)
        if event.role != "vm" or name not in self.guests:
            self.failure = HotkitError(
                f"{event.task}: {message}", exit_code=ExitCode.VERDICT_FAILED
            )
        elif name not in self._found or self._found[name].well:
            self._found[name] = untold(self.host, self.guests[name], message)
