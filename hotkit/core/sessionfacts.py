"""What is the same in several sweeps and what is not, from their manifests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# Words of a kernel's command line that name files and disks, which change with every installation.
_NOT_OF_THE_LAYOUT = ("BOOT_IMAGE=", "root=", "initrd=")
_OTHER_WORK = "what a tracker costs one piece of work says nothing about another"
_OTHER_PLATFORM = "emulated, virtual and metal costs are different things"
_OTHER_MACHINE = "work in a guest pays for nested paging, and its time is the guest's"


class Weight(StrEnum):
    """What a difference does. A value that was not recorded cannot be shown to agree."""

    REFUSES = "nothing is compared"
    BLOCKS = "side by side, never merged"
    FREE = "may differ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One property, a value per session; None: not recorded. `why` a difference refuses."""

    name: str
    weight: Weight
    values: tuple[str | None, ...]
    why: str = ""

    @property
    def agrees(self) -> bool:
        return None not in self.values and len(set(self.values)) == 1


def facts_of(
    manifests: Sequence[Mapping[str, Any]], works: Sequence[str | None]
) -> tuple[Fact, ...]:
    """All facts of these sessions, the gravest first; `works` are checksums of the work done."""
    machines = [manifest["machine"] for manifest in manifests]
    work = [manifest["description"]["workload"] for manifest in manifests]
    hashes = [manifest.get("sha256", {}) for manifest in manifests]

    def of(name: str, weight: Weight, values: Sequence[Any], why: str = "") -> Fact:
        shown = tuple(None if value is None else _shown(value) for value in values)
        return Fact(name=name, weight=weight, values=shown, why=why)

    refuses, blocks, free = Weight.REFUSES, Weight.BLOCKS, Weight.FREE
    found = [
        of("platform", refuses, [one.get("platform") for one in machines], _OTHER_PLATFORM),
        *(
            # A key that an older hotkit did not write is no other work, but cannot be merged.
            of(
                f"workload {key}",
                refuses if all(key in one for one in work) else blocks,
                [_shown(one[key]) if key in one else None for one in work],
                _OTHER_WORK,
            )
            for key in _keys(work)
        ),
        *(_guest_facts(manifests, of) if any(one.get("guest") for one in manifests) else ()),
        of("nested", blocks, [one.get("nested") for one in machines]),
        of("host", blocks, [manifest.get("host") for manifest in manifests]),
        of("kernel", blocks, [one.get("kernel_release") for one in machines]),
        of("command line", blocks, _layouts([one.get("cmdline") for one in machines])),
        of("architecture", blocks, [one.get("arch") for one in machines]),
        of("CPUs", blocks, [one.get("cpus") for one in machines]),
        of("memory (bytes)", blocks, _sizes([one.get("memory_bytes") for one in machines])),
        of("clocksource", blocks, [one.get("clocksource") for one in machines]),
    ]
    knobs = [one.get("knobs", {}) for one in machines]
    found += [of(f"knob {key}", blocks, [one.get(key) for one in knobs]) for key in _keys(knobs)]
    found += [
        of(f"{name} SHA-256", blocks, [_short(one.get(name)) for one in hashes])
        for name in ("agent", "workload", "scan")
    ]
    found += [
        of("work done (checksum)", free, works),
        of("seed", free, [manifest.get("seed") for manifest in manifests]),
        of("blocks", free, [manifest["description"].get("blocks") for manifest in manifests]),
        of("boot id", free, [one.get("boot_id") for one in machines]),
        of("measured", free, [manifest.get("created") for manifest in manifests]),
        of("hotkit", free, [manifest.get("hotkit") for manifest in manifests]),
    ]
    return tuple(found)


def _guest_facts(manifests: Sequence[Mapping[str, Any]], of: Callable[..., Fact]) -> list[Fact]:
    """Whether the workload ran in a guest, and in what a guest."""
    guests: list[Mapping[str, Any]] = [manifest.get("guest") or {} for manifest in manifests]
    where = ["a guest" if guest else "the host itself" for guest in guests]
    found = [of("workload's machine", Weight.REFUSES, where, _OTHER_MACHINE)]
    if not all(guests):
        return found
    machines = [guest.get("machine", {}) for guest in guests]
    blocks = Weight.BLOCKS
    found += [
        of("guest", blocks, [guest.get("name") for guest in guests]),
        of("guest kind", blocks, [guest.get("kind") for guest in guests]),
        of("guest backing", blocks, [guest.get("backing") for guest in guests]),
        of("guest vCPUs", blocks, [guest.get("vcpus") for guest in guests]),
        of("guest memory (bytes)", blocks, _sizes([one.get("memory_bytes") for one in guests])),
        of("guest kernel", blocks, [one.get("kernel_release") for one in machines]),
        of("guest clocksource", blocks, [one.get("clocksource") for one in machines]),
    ]
    knobs = [one.get("knobs", {}) for one in machines]
    return found + [
        of(f"guest knob {key}", blocks, [one.get(key) for one in knobs]) for key in _keys(knobs)
    ]


def _sizes(values: Sequence[int | None]) -> list[int | None]:
    """Sizes that differ by less than 1 % as the largest of them.

    What the kernel leaves of the same RAM is a few pages more or less from boot to boot.
    """
    known = [value for value in values if value is not None]
    if not known or min(known) < 0.99 * max(known):
        return list(values)
    return [None if value is None else max(known) for value in values]


def _keys(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for one in mappings for key in one))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _short(digest: str | None) -> str | None:
    return digest[:12] if digest else None


def _layouts(lines: Sequence[str | None]) -> list[str | None]:
    """Of each command line the words that not all of them have: a whole line hides what differs.

    The order of words counts only where the words are the same.
    """
    words = [
        None
        if line is None
        else [word for word in line.split() if not word.startswith(_NOT_OF_THE_LAYOUT)]
        for line in lines
    ]
    known = [one for one in words if one is not None]
    common = set.intersection(*(set(one) for one in known)) if known else set()
    if all(set(one) == common for one in known):
        return [None if one is None else " ".join(one) for one in words]
    return [
        None if one is None else " ".join(word for word in one if word not in common) or "-"
        for one in words
    ]
