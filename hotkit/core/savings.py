"""What a profile may give up so that a kernel needs less memory: names, and the arguments of each.

Source of what each argument does: Documentation/admin-guide/kernel-parameters.txt and the files
named below (Linux 6.1); of systemd.mask=, systemd-debug-generator(8), systemd 215 and later. What
was looked at and left out, and why, is in docs/layouts.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hotkit.core import cmdline
from hotkit.core.kernelhashes import TABLES, HashTable, entries

# `hashes` leaves a table this part of the buckets that the kernel would take for the RAM it has.
HASHES_DIVISOR = 8
_LEAST_BUCKETS = 512  # a page of eight-byte buckets
# thash_entries= also sizes these two (net/ipv4/tcp.c, tcp_init()).
_TCP_BIND_MOST = 1 << 16
_TCP_LISTEN = HashTable("tcp_listen_portaddr_hash", 16, 21, most=1 << 16)
_HASH_ARGUMENTS = {
    "Dentry cache": "dhash_entries",
    "Inode-cache": "ihash_entries",
    "Mount-cache": "mhash_entries",
    "Mountpoint-cache": "mphash_entries",
    "TCP established": "thash_entries",
    "UDP": "uhash_entries",
}
MASK_ARGUMENT = "systemd.mask"
_UNIT_KINDS = ("service", "socket", "timer", "path", "mount", "automount", "swap")
_UNIT = re.compile(rf"[A-Za-z0-9:_.@-]+\.({'|'.join(_UNIT_KINDS)})")
# Without these nobody comes in, nothing is written down, or the trial boot has no guard.
_NEEDED_UNITS = re.compile(
    r"hotkit-.*|sshd?(@.*)?\.(service|socket)|dbus(-broker)?\.(service|socket)"
    r"|(NetworkManager|networking|network|wicked.*|ifup@.*)\.service"
    r"|systemd-(udevd|journald|networkd|logind|remount-fs|fsck|tmpfiles|sysctl|modules|sysusers).*"
    r"|(-|boot|usr|var|var-lib)\.mount"
)


@dataclass(frozen=True, slots=True)
class Saving:
    """One name of `save:`; `arguments` makes its kernel arguments for so much RAM kept, in bytes.

    `gives_up` says what it costs. `replaces` are arguments of the stock entry that the kernel would
    sum up with ours, or that would win over them: they are taken out (core/grub_entry.py).
    """

    name: str
    arguments: Callable[[int], tuple[str, ...]]
    gives_up: str
    replaces: tuple[str, ...] = ()


def _smaller(table: HashTable, kept_bytes: int) -> int:
    """The buckets that `hashes` asks for; a power of two, as the kernel's own number.

    Never more than those: with little RAM UDP's are fewer than the least that is asked for.
    """
    own = entries(table, kept_bytes)
    return min(own, max(_LEAST_BUCKETS, own // HASHES_DIVISOR))


def _hashes(kept_bytes: int) -> tuple[str, ...]:
    return tuple(
        f"{_HASH_ARGUMENTS[table.name]}={_smaller(table, kept_bytes)}"
        for table in TABLES
        if table.name in _HASH_ARGUMENTS
    )


def smaller_hash_bytes(kept_bytes: int) -> int:
    """What `hashes` wins on a machine with so much RAM: the kernel's own tables less what is left.

    A table of TCP's that shares thash_entries= and would grow with it is counted against it;
    UDP-Lite's shares uhash_entries= and is as large as UDP's.
    """
    buckets = {table.name: _smaller(table, kept_bytes) for table in TABLES}
    for name in ("TCP bind", _TCP_LISTEN.name):
        buckets[name] = min(_TCP_BIND_MOST, buckets["TCP established"])
    won = 0
    for table in (*TABLES, _TCP_LISTEN):
        won += (entries(table, kept_bytes) - buckets[table.name]) * table.bucket_bytes
    return max(0, won)


SAVINGS = {
    item.name: item
    for item in (
        Saving("hashes", _hashes, "look-ups of files and sockets walk longer chains"),
        # drivers/dax/kmem.c asks for it since 6.8 only, and only where the device's sysfs file
        # memmap_on_memory says so; the module hotkit_pmem writes that.
        Saving(
            "memmap-on-memory",
            lambda _kept_bytes: ("memory_hotplug.memmap_on_memory=1",),
            "1/64 of the PMEM that becomes RAM, which then holds its own struct pages",
        ),
        # kernel/crash_core.c reads the last plain crashkernel=, and of those with ,high the last:
        # a 0 ends the first, and only taking them out ends both.
        Saving(
            "no-crashkernel",
            lambda _kept_bytes: ("crashkernel=0",),
            "no dump is written when the kernel dies",
            replaces=("crashkernel",),
        ),
        # mm/hugetlb.c hugepages_setup(): the first one of a size wins.
        Saving(
            "no-hugepages",
            lambda _kept_bytes: ("hugepages=0",),
            "no huge pages are reserved at boot",
            replaces=("hugepages", "hugepagesz"),
        ),
        # drivers/nvdimm/pmem.c, drivers/dax/pmem.c: without a driver a namespace has no struct
        # pages. initcall_blacklist= works for modules too, and adds to the stock entry's
        # (init/main.c); the last module_blacklist= would replace it.
        Saving(
            "no-pmem",
            lambda _kept_bytes: ("initcall_blacklist=nd_pmem_driver_init,dax_pmem_init",),
            "no PMEM namespace is there, neither as a disk nor as a dax device",
        ),
        # mm/page_owner.c, mm/slub.c, lib/stackdepot.c: each takes the last one that is given.
        Saving(
            "no-debug",
            lambda _kept_bytes: ("page_owner=off", "slub_debug=-", "stack_depot_disable=on"),
            "the kernel no longer remembers who allocated what",
        ),
        # kernel/trace/trace.c: per CPU, 1.4 MiB by default once something traces.
        Saving(
            "trace-buffers",
            lambda _kept_bytes: ("trace_buf_size=64K",),
            "a tracer that does not set its own size loses events sooner",
        ),
    )
}


def save_arguments(
    save: Iterable[str], mask_units: Iterable[str], kept_bytes: int
) -> tuple[str, ...]:
    """The kernel arguments of these options on a machine that keeps so much RAM."""
    named = [argument for name in save for argument in SAVINGS[name].arguments(kept_bytes)]
    return (*named, *(f"{MASK_ARGUMENT}={unit}" for unit in mask_units))


def replaced_by(arguments: Iterable[str]) -> frozenset[str]:
    """The names of arguments that a stock entry must not keep beside these."""
    given = set(arguments)
    return frozenset(
        name
        for item in SAVINGS.values()
        if item.replaces and given.issuperset(item.arguments(0))
        for name in item.replaces
    )


def written_by(save: Sequence[str], mask_units: Sequence[str], word: str) -> str | None:
    """What of `save` or `mask_units` writes this argument already, or None."""
    for argument in cmdline.parse(word):
        for name in save:
            ours = [cmdline.parse(text)[0].name for text in SAVINGS[name].arguments(0)]
            if any(map(argument.named, (*ours, *SAVINGS[name].replaces))):
                return f"save: {name}"
        if argument.named(MASK_ARGUMENT) and argument.value in mask_units:
            return f"mask_units: {argument.value}"
    return None


def read_save(value: object) -> tuple[str, ...]:
    """The names in `save:`. Raises ValueError with one sentence."""
    names = _words(value, "a list of names")
    for name in names:
        if name not in SAVINGS:
            raise ValueError(f"{name!r} is not known; known: {', '.join(SAVINGS)}")
    return names


def read_units(value: object) -> tuple[str, ...]:
    """The names in `mask_units:`. Raises ValueError with one sentence."""
    units = _words(value, "a list of systemd units")
    for unit in units:
        if "\\" in unit:
            raise ValueError(f"{unit!r} holds a backslash, which GRUB passes on escaped")
        if not _UNIT.fullmatch(unit):
            raise ValueError(
                f"{unit!r} is not a unit that can be masked: write NAME and one of "
                f".{', .'.join(_UNIT_KINDS)}"
            )
        if _NEEDED_UNITS.fullmatch(unit):
            raise ValueError(f"{unit} is needed to reach the machine or to bring it back")
    return units


def _words(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"is {what}")
    if len(set(value)) < len(value):
        twice = next(item for item in value if value.count(item) > 1)
        raise ValueError(f"{twice} stands there twice")
    return tuple(value)
