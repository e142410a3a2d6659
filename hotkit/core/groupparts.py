"""Which parts of a sweep may be put together, and why each other one may not.

What must agree is what `hotkit compare` asks for (sessionfacts.py). Over hosts that is less: what
a host has of its own is what hosts are looked at for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hotkit.core.comparison import Session
from hotkit.core.sessionfacts import Fact, Weight, facts_of

# So many differences are told of a part, and so many characters of each value.
_MOST_TOLD, _MOST_CHARACTERS = 3, 60

T = TypeVar("T")
Measured = tuple["Part", Session]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One boot of one host in one layout with one workload; `missing` says why without session."""

    name: str
    host: str
    layout: str | None
    boot: int
    workload: str
    session: Session | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A part that does not count, as a whole or (with `arm`) in one arm."""

    part: str
    reason: str
    arm: str | None = None


def that_count(parts: Sequence[Part]) -> tuple[list[list[Measured]], list[LeftOut]]:
    """Of parts with one layout and workload those that count, host by host, and the others.

    Only sessions that can be trusted do. Where they disagree, the largest set that agrees does (of
    equally large ones the first): by what they are, never by what they found.
    """
    left_out: list[LeftOut] = []
    by_host: dict[str, list[Measured]] = {}
    for part in parts:
        if part.session is None:
            left_out.append(LeftOut(part=part.name, reason=part.missing or "nothing was measured"))
        elif doubts := part.session.analysis.untrusted:
            left_out.append(LeftOut(part=part.name, reason=f"not trustworthy: {doubts[0]}"))
        else:
            by_host.setdefault(part.host, []).append((part, part.session))
    boots: list[list[Measured]] = []
    for members in by_host.values():
        own, again = _own_boots(members)
        counted, others = alike(own, lambda one, it: _differs(one[1], it[1]))
        boots.append(counted)
        left_out += [LeftOut(part=part.name, reason=why) for (part, _), why in [*again, *others]]
    hosts, strangers = alike(
        boots, lambda one, it: _differs(_as_one_of_many(one[0]), _as_one_of_many(it[0]))
    )
    for members, why in strangers:
        left_out += [LeftOut(part=part.name, reason=why) for part, _ in members]
    return hosts, left_out


def alike(
    items: Sequence[T], differs: Callable[[T, T], str | None]
) -> tuple[list[T], list[tuple[T, str]]]:
    """The largest set of items that agree with each other, and why each other one is not in it.

    `differs` says what is wrong with its first argument beside its second, or None.
    """
    classes: list[list[T]] = []
    for item in items:
        home = next((kind for kind in classes if differs(item, kind[0]) is None), None)
        if home is None:
            classes.append([item])
        else:
            home.append(item)
    if not classes:
        return [], []
    best = max(classes, key=len)
    others = [item for kind in classes if kind is not best for item in kind]
    return best, [(item, differs(item, best[0]) or "differs") for item in others]


def _own_boots(members: Sequence[Measured]) -> tuple[list[Measured], list[tuple[Measured, str]]]:
    """The parts of a host that had a boot of their own: a boot counts once."""
    seen: dict[str | None, str] = {}
    own: list[Measured] = []
    again: list[tuple[Measured, str]] = []
    for part, session in members:
        boot_id = session.manifest["machine"].get("boot_id")
        if own and None in (boot_id, *seen):
            again.append(((part, session), "boot id was not recorded: it may be no other boot"))
        elif boot_id in seen:
            again.append(((part, session), f"the same boot as {seen[boot_id]}: a boot counts once"))
        else:
            seen[boot_id] = part.name
            own.append((part, session))
    return own, again


def _as_one_of_many(measured: Measured) -> Session:
    """The session without what its host has of its own: its name, which CPUs it runs on, and (in a
    layout, whose arguments hold the addresses of that host's memory) its command line."""
    part, session = measured
    machine: dict[str, Any] = dict(session.manifest["machine"])
    if machine.get("cpus") is not None:
        machine["cpus"] = len(machine["cpus"])
    if part.layout is not None:
        machine["cmdline"] = ""
    manifest: Mapping[str, Any] = {**session.manifest, "host": "", "machine": machine}
    return replace(session, manifest=manifest)


def _differs(one: Session, other: Session) -> str | None:
    """What in `one` is not as in `other`, of what must agree; None when all does."""
    facts = facts_of([one.manifest, other.manifest], [None, None])
    found = [_words(fact) for fact in facts if fact.weight is not Weight.FREE and not fact.agrees]
    if len(found) > _MOST_TOLD:
        found[_MOST_TOLD:] = [f"and {len(found) - _MOST_TOLD} more"]
    return "; ".join(found) or None


def _words(fact: Fact) -> str:
    if None in fact.values:
        return f"{fact.name} was not recorded everywhere"
    mine, theirs = (_short(str(value)) for value in fact.values)
    return f"{fact.name} differs ({mine}, not {theirs})"


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."
