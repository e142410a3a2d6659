"""A profile: what a person wants of a machine, before anybody knows where it lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hotkit.core.cmdline import argument_problem, parse
from hotkit.core.ranges import align_down
from hotkit.core.savings import read_save, read_units, written_by
from hotkit.core.units import GIB, MIB, format_size, parse_size

SIZE_MEANS = ("present", "span", "managed")
STYLES = ("$", "%")
CPU_LIMITS = ("maxcpus", "nr_cpus")
ALIGNMENTS = (MIB, 2 * MIB, 128 * MIB, GIB)
# What the planner writes itself; a second one of these would fight it.
OWN_ARGUMENTS = ("memmap", "mem", "maxcpus", "nr_cpus", "nosmp", "nokaslr", "kaslr", "hotkit.id")


class ProfileError(ValueError):
    """A profile that cannot be meant; `key` is the path to the culprit ("slow.size")."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key = key
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One tier: a node, and how much of it. `node` None with `pmem`: the PMEM nearest the CPUs.

    `size_bytes` None: nothing stated (a PMEM tier is used whole; a DRAM tier gets its share).
    `emulated`: the PMEM is DRAM of that node, which the command line calls so (memmap=nn!ss).
    """

    node: int | None = None
    size_bytes: int | None = None
    pmem: bool = False
    emulated: bool = False

    @property
    def in_dram(self) -> bool:
        """Whether its memory is what the firmware calls RAM."""
        return self.emulated or not self.pmem


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is wanted. `fast` and `slow` carry their sizes after `profile_from_dict`.

    `size_means`: "present" (System RAM bytes), "span" (bytes of address space in SRAT) or "managed"
    (MemTotal). `cpus_on` "fast" insists that all CPUs sit on the fast node, "any" does not.
    `save` names what the kernel may do without, `mask_units` systemd units that stay away
    (core/savings.py). `extra` are further kernel arguments, added at the end.
    """

    name: str
    description: str = ""
    cpus: int | None = None
    cpu_limit: str = "maxcpus"
    cpus_on: str = "fast"
    fast: Tier
    slow: Tier | None = None
    size_means: str = "present"
    align_bytes: int = MIB
    style: str = "$"
    keep_kaslr: bool = False
    save: tuple[str, ...] = ()
    mask_units: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def kept_by_node(self) -> dict[int, int]:
        """Bytes of DRAM wanted per node; nodes that are not named get none."""
        wanted: dict[int, int] = {}
        for tier in (self.fast, self.slow):
            if tier and not tier.pmem and tier.node is not None:
                wanted[tier.node] = wanted.get(tier.node, 0) + (tier.size_bytes or 0)
        return wanted

    @property
    def summary(self) -> str:
        """`4 CPUs, 3276 MiB fast on node 0, 13108 MiB slow on node 1`."""
        parts = [f"{self.cpus} CPUs"] if self.cpus else ["all CPUs"]
        for name, tier in (("fast", self.fast), ("slow", self.slow)):
            if tier is None:
                continue
            size = "" if tier.size_bytes is None else format_size(tier.size_bytes) + " "
            where = "emulated PMEM" if tier.emulated else "PMEM" if tier.pmem else "node"
            node = "" if tier.node is None else f" {tier.node}"
            parts.append(f"{size}{name} on {where}{node}")
        return ", ".join(parts)


def profile_from_dict(name: str, data: Mapping[str, Any]) -> Profile:
    """Build a profile from its YAML form. Raises ProfileError, which names the key.

    Sizes are text with a unit ("3276M"), plain numbers are refused: nobody can tell their unit.
    Either `fast.size` (and `slow.size`), or `total` and `fast_share` ("1/5", "20%", 0.2), of which
    the fast part is rounded down to whole MiB. `scale` multiplies CPUs and sizes.
    """
    return _Reader(name, data).profile()


def scaled(profile: Profile, factor: int) -> Profile:
    """The profile with CPUs and sizes times `factor` ("4C16G x 9")."""
    if factor == 1:
        return profile

    def grow(tier: Tier | None) -> Tier | None:
        if tier is None or tier.size_bytes is None:
            return tier
        return replace(tier, size_bytes=tier.size_bytes * factor)

    fast = grow(profile.fast)
    assert fast is not None
    return replace(
        profile,
        name=f"{profile.name} x {factor}",
        cpus=None if profile.cpus is None else profile.cpus * factor,
        fast=fast,
        slow=grow(profile.slow),
    )


_KEYS = frozenset(
    ("description", "cpus", "cpu_limit", "cpus_on", "total", "fast_share", "fast", "slow")
    + ("size_means", "align", "style", "kaslr", "save", "mask_units", "extra", "scale")
)
_TIER_KEYS = frozenset(("node", "size", "pmem"))


class _Reader:
    """Reads one mapping; every method names the key that it does not like."""

    def __init__(self, name: str, data: Mapping[str, Any]) -> None:
        if not isinstance(data, Mapping):
            raise ProfileError("", f"profile {name} is not a mapping")
        self.name = name
        self.data = data
        _known(data, _KEYS, "")

    def profile(self) -> Profile:
        scale = self._count("scale")
        cpus = self._count("cpus")
        fast, slow = self._tiers()
        align = self._size("align", self.data.get("align", "1M"))
        if align not in ALIGNMENTS:
            raise ProfileError("align", f"{self.data['align']!r}: use 1M, 2M, 128M or 1G")
        save, units = self._listed("save", read_save), self._listed("mask_units", read_units)
        if slow and slow.pmem and "no-pmem" in save:
            raise ProfileError("save", "no-pmem takes away the PMEM that the slow tier is made of")
        profile = Profile(
            name=self.name,
            description=str(self.data.get("description") or ""),
            cpus=cpus,
            cpu_limit=self._one_of("cpu_limit", CPU_LIMITS),
            cpus_on=self._one_of("cpus_on", ("fast", "any")),
            fast=fast,
            slow=slow,
            size_means=self._one_of("size_means", SIZE_MEANS),
            align_bytes=align,
            style=self._one_of("style", STYLES),
            keep_kaslr=self._flag(self.data, "kaslr", ""),
            save=save,
            mask_units=units,
            extra=self._extra(save, units),
        )
        if profile.style == "%" and profile.keep_kaslr:
            raise ProfileError(
                "kaslr",
                "with style % the kernel may put itself into memory that is to be reserved "
                "(arch/x86/boot/compressed/kaslr.c): use style $ or leave kaslr out",
            )
        return scaled(profile, scale or 1)

    def _tiers(self) -> tuple[Tier, Tier | None]:
        if "fast" not in self.data:
            raise ProfileError("fast", "is missing: name its node, like fast: {node: 0, size: 4G}")
        fast = self._tier("fast")
        slow = self._tier("slow") if self.data.get("slow") is not None else None
        if fast.pmem:
            raise ProfileError("fast.pmem", "the fast tier is DRAM: the kernel boots from it")
        if fast.node is None:
            raise ProfileError("fast.node", "is missing: which node is the fast tier on?")
        if slow and slow.node is None and not slow.pmem:
            raise ProfileError("slow.node", "is missing: which node is the slow tier on?")
        if slow and slow.emulated and slow.node is None:
            raise ProfileError("slow.node", "is missing: whose DRAM stands in for the PMEM?")
        if slow and slow.node == fast.node:
            raise ProfileError("slow.node", f"node {slow.node} is the fast tier's already")
        total = self.data.get("total")
        if total is None:
            if "fast_share" in self.data:
                raise ProfileError("total", "is missing: fast_share is a share of it")
            if fast.size_bytes is None:
                raise ProfileError("fast.size", "is missing (or give total and fast_share)")
            if slow and slow.size_bytes is None and not slow.pmem:
                raise ProfileError("slow.size", "is missing (or give total and fast_share)")
            if slow and slow.size_bytes is None and slow.emulated:
                raise ProfileError("slow.size", "is missing: how much DRAM stands in for the PMEM?")
            fast_bytes, slow_bytes = fast.size_bytes, slow.size_bytes if slow else None
        else:
            for key, tier in (("fast.size", fast), ("slow.size", slow)):
                if tier and tier.size_bytes is not None:
                    raise ProfileError(key, "total and fast_share say this already: keep one")
            whole = self._size("total", total)
            share = self._share()
            fast_bytes = align_down(int(whole * share), MIB)
            slow_bytes = whole - fast_bytes
            if fast_bytes == 0:
                raise ProfileError("fast_share", "leaves less than 1 MiB for the fast tier")
        return (
            replace(fast, size_bytes=fast_bytes),
            replace(slow, size_bytes=slow_bytes) if slow else None,
        )

    def _tier(self, key: str) -> Tier:
        data = self.data[key]
        if not isinstance(data, Mapping):
            raise ProfileError(key, f"{data!r} is not a mapping like {{node: 0, size: 4G}}")
        _known(data, _TIER_KEYS, key + ".")
        node = data.get("node")
        if node is not None and (not isinstance(node, int) or isinstance(node, bool) or node < 0):
            raise ProfileError(f"{key}.node", f"{node!r} is not a node number")
        size = data.get("size")
        size_bytes = None if size is None else self._size(f"{key}.size", size, zero=key == "slow")
        emulated = data.get("pmem") == "emulated"
        pmem = emulated or self._flag(data, "pmem", key + ".")
        return Tier(node=node, size_bytes=size_bytes, pmem=pmem, emulated=emulated)

    def _share(self) -> Fraction:
        text = str(self.data.get("fast_share", "")).strip()
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})|(\d{1,9}(?:\.\d{1,9})?)%|(0?\.\d{1,18})", text)
        if not match or (match[2] and int(match[2]) == 0):
            raise ProfileError(
                "fast_share", f"{text!r} is not a share: write 1/5, 20% or 0.2" if text
                else "is missing: total needs it (or give fast.size and slow.size)",
            )  # fmt: skip
        percent = Fraction(match[3]) / 100 if match[3] else None
        share = percent if percent is not None else Fraction(match[0])
        if not 0 < share <= 1:
            raise ProfileError("fast_share", f"{text} is not between 0 and 1")
        return share

    def _size(self, key: str, value: object, *, zero: bool = False) -> int:
        if not isinstance(value, str):
            raise ProfileError(key, f"{value!r} has no unit: write it like 3276M or 16G")
        if value.strip().startswith("-"):
            raise ProfileError(key, f"{value!r} is negative")
        try:
            size = parse_size(value)
        except ValueError as error:
            raise ProfileError(key, str(error)) from error
        if value.strip().isdecimal() and size:
            raise ProfileError(key, f"{value!r} has no unit: write it like 3276M or 16G")
        if size == 0 and not zero:
            raise ProfileError(key, "nothing is left with a size of 0")
        return size

    def _count(self, key: str) -> int | None:
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise ProfileError(key, f"{value!r} is not a whole number")
        if value < 1:
            raise ProfileError(key, f"{value} is {'negative' if value < 0 else 'zero'}")
        return value

    def _one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.data.get(key, allowed[0])
        if value not in allowed:
            raise ProfileError(key, f"{value!r} is not one of {', '.join(allowed)}")
        return str(value)

    def _flag(self, data: Mapping[str, Any], key: str, prefix: str) -> bool:
        value = data.get(key, False)
        if not isinstance(value, bool):
            others = " nor emulated" if key == "pmem" else ""
            raise ProfileError(prefix + key, f"{value!r} is neither true nor false{others}")
        return value

    def _listed(self, key: str, read: Callable[[object], tuple[str, ...]]) -> tuple[str, ...]:
        try:
            return read(self.data.get(key, ()))
        except ValueError as error:
            raise ProfileError(key, str(error)) from error

    def _extra(self, save: tuple[str, ...], units: tuple[str, ...]) -> tuple[str, ...]:
        value = self.data.get("extra", ())
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise ProfileError("extra", "is a list of kernel arguments, one text each")
        for item in value:
            problem = argument_problem(item)
            if problem:
                raise ProfileError("extra", f"{item!r} cannot be a kernel argument: {problem}")
            if item == "--":
                raise ProfileError("extra", f"{item!r} would give all that follows it to init")
            (argument,) = parse(item)
            if any(map(argument.named, OWN_ARGUMENTS)):
                raise ProfileError("extra", f"{item!r} is the planner's to write, not extra's")
            writer = written_by(save, units, item)
            if writer:
                raise ProfileError("extra", f"{item!r} is written by {writer} already: keep one")
        return tuple(value)


def _known(data: Mapping[str, Any], allowed: frozenset[str], prefix: str) -> None:
    for key in data:
        if key not in allowed:
            raise ProfileError(
                f"{prefix}{key}", f"unknown key; known here: {', '.join(sorted(allowed))}"
            )
