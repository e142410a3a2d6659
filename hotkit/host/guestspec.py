"""From an inventory's `hotkit_guests` to guests: with file:line:column where a file says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hotkit.core.guestkeys import GuestError
from hotkit.core.guestspec import Guest, guests_from
from hotkit.errors import HotkitError
from hotkit.host.inventory import Host, Inventory, written

VARIABLE = "hotkit_guests"


def guests_of(host: Host, inventory: Inventory) -> tuple[Guest, ...]:
    """The guests of one host, in the inventory's order. Raises HotkitError with the position."""
    listed = host.variables.get(VARIABLE)
    if listed is None:
        return ()
    try:
        return guests_from(listed)
    except GuestError as error:
        position = inventory.where(host.name, VARIABLE, *error.path)
        raise HotkitError(f"{position or f'host {host.name}'}: {error}") from error


def guest_named(name: str, host: Host | None, inventory: Inventory | None) -> Guest:
    """The guest of that name, of one host. HotkitError where there is none."""
    if host is None or inventory is None:
        raise HotkitError(
            f"guest: {name} is a guest of no inventory",
            hint=f"name an inventory whose host has {VARIABLE}: --local knows none",
        )
    guests = {guest.name: guest for guest in guests_of(host, inventory)}
    if name not in guests:
        raise HotkitError(
            f"guest: {host.name} has no guest {name} in {VARIABLE}",
            hint=f"it has {', '.join(guests) or 'none'}",
        )
    return guests[name]


def names_written_in(ref: str | Path) -> list[str]:
    """Names of guests as the inventory's files have them: quick, since Ansible is not asked."""
    lists: list[Any] = [value for value in written(ref, VARIABLE) if isinstance(value, list)]
    return [
        str(item["name"])
        for listed in lists
        for item in listed
        if isinstance(item, dict) and "name" in item
    ]
