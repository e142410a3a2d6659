"""The story of `hotkit trackers`: every agent is asked which trackers work there, and why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import Tracker, rules_of
from hotkit.askhosts import Say, ask_hosts
from hotkit.core.trackermatrix import HostTrackers, verdicts_of
from hotkit.errors import HotkitError


def trackers(
    inventory: str | Path,
    *,
    limit: str | None = None,
    local: bool = False,
    say: Say = lambda host, what: None,
) -> list[HostTrackers]:
    """A column per host, in the inventory's order. Raises HotkitError for a bad inventory."""
    answers = ask_hosts(inventory, limit=limit, local=local, command="probe", stdin="[]\n", say=say)
    order = tuple(TRACKERS)
    return [
        HostTrackers(answer=answer, verdicts=verdicts_of(answer.events, order))
        for answer in answers
    ]


def tracker_named(name: str) -> type[Tracker]:
    """The tracker of that name, or an error that lists the ones there are."""
    if name not in TRACKERS:
        raise HotkitError(f"there is no tracker {name!r}", hint=f"trackers: {', '.join(TRACKERS)}")
    return TRACKERS[name]


def describe(kind: type[Tracker]) -> dict[str, Any]:
    """JSON form of what a tracker is: how it learns of an access, units, settings."""
    return {
        "how": kind.how,
        "units": dict(kind.units),
        "settings": {
            name: {
                "default": setting.default,
                "type": type(setting.default).__name__,
                "choices": list(setting.choices) or None,
                "least": setting.least,
                "help": setting.help,
            }
            for name, setting in rules_of(kind).items()
        },
    }
