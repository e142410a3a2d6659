"""Ansible's view of guests: a filter from `hotkit_guests` to what the role `vm` hands the agent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from hotkit.core.guestkeys import GuestError
from hotkit.core.guestspec import description, guests_from


def hotkit_guests(listed: Any, only: Any = ()) -> list[dict[str, Any]]:
    """The guests of a host as complete descriptions; with `only` (names) just those."""
    try:
        # Ansible hands over tagged and lazy values: the same in Python's own types.
        guests = guests_from(json.loads(json.dumps(listed)))
    except GuestError as error:
        raise AnsibleFilterError(str(error)) from error
    names = [guest.name for guest in guests]
    wanted = only.split(",") if isinstance(only, str) else list(only)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        known = ", ".join(names) or "none"
        raise AnsibleFilterError(f"there is no guest {unknown[0]!r} here; guests: {known}")
    return [description(guest) for guest in guests if not wanted or guest.name in wanted]


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hotkit_guests": hotkit_guests}
