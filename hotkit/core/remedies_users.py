"""What can stay away from a machine: services, file systems, swap, drivers, files in memory."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from hotkit.core.remedy import Case, Remedy, within
from hotkit.core.savings import read_units
from hotkit.core.units import MIB, format_size

_MOST_OF_A_KIND = 5
_PROGRAM_BYTES = 8 * MIB
_FILES_BYTES = 4 * MIB
# Functions of a file system that allocate for a mounted disk, by how their names begin.
_FILE_SYSTEMS = {
    "f2fs_": "f2fs", "btrfs_": "btrfs", "xfs_": "xfs", "ext4_": "ext4", "jbd2_": "ext4",
    "zfs_": "zfs", "spl_": "zfs", "gfs2_": "gfs2", "ocfs2_": "ocfs2", "nilfs_": "nilfs2",
    "bch2_": "bcachefs", "erofs_": "erofs",
}  # fmt: skip
_SWAP_CALLERS = ("alloc_swap_info", "swap_cgroup_swapon", "__do_sys_swapon", "__x64_sys_swapon")
# Programs without which nobody comes in; kernel drivers whose memory has a remedy of its own.
_NEEDED = re.compile(r"(systemd(-.*)?|init|\(sd-pam\)|sshd.*|dbus-.*|NetworkManager|dhc.*)")
_OWN_REMEDY = re.compile(r"f2fs|btrfs|xfs|ext4|jbd2|zfs|spl|nd_.*|dax.*|device_dax|kmem|libnvdimm")


def user_remedies(case: Case) -> Iterator[Remedy]:
    """All of them, in no order; those that win nothing too."""
    yield from _file_systems(case)
    yield from _swap(case)
    yield from _services(case) if case.facts.cgroups else _programs(case)
    yield from _drivers(case)
    yield from _tmpfs(case)
    yield _caches(case)


def _largest(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:_MOST_OF_A_KIND]


def _masked(case: Case, unit: str) -> bool:
    return case.layout is not None and f"systemd.mask={unit}" in case.layout.args


def _file_systems(case: Case) -> Iterator[Remedy]:
    held: dict[str, int] = defaultdict(int)
    for prefix, kind in _FILE_SYSTEMS.items():
        held[kind] += case.vmalloc(prefix)
    for kind, size in held.items():
        yield Remedy(
            name=f"mounts: {kind}",
            sentence=f"{kind} holds {format_size(size)} of tables for its mounted disks; they "
            "follow the size of the disk, not the RAM. What is not mounted takes none.",
            saves_bytes=size,
            holds_bytes=size,
            basis="measured: vmallocinfo, by the function that allocated",
            step=f"find the mount (findmnt -t {kind}) and write nofail,noauto into its line of "
            "/etc/fstab; or nofail alone there, and in the profile mask_units: [NAME.mount], as "
            "systemd-escape -p --suffix=mount MOUNTPOINT names it",
        )


def _swap(case: Case) -> Iterator[Remedy]:
    size = case.vmalloc(*_SWAP_CALLERS)
    yield Remedy(
        name="swap",
        sentence=f"The map of swap space takes {format_size(size)}, whether it is used or not. "
        "Without swap a machine that runs out of memory kills sooner.",
        saves_bytes=size,
        holds_bytes=size,
        basis="measured: vmallocinfo, by the function that allocated",
        step="noauto in its line of /etc/fstab, or in the profile mask_units: [NAME.swap] "
        "(systemctl list-units --type=swap)",
    )


def _services(case: Case) -> Iterator[Remedy]:
    found: dict[str, int] = defaultdict(int)
    for group in case.facts.cgroups or ():
        unit = group.name.rpartition("/")[2]
        if unit.endswith(".service") and group.size_bytes >= _PROGRAM_BYTES:
            try:
                read_units([unit])
            except ValueError:
                continue  # needed, or its name does not get through GRUB
            if not _masked(case, unit):
                found[unit] += group.size_bytes
    for unit, size in _largest(found):
        holds = within(size, case.used_bytes)
        yield Remedy(
            name=f"service: {unit}",
            sentence=f"{unit} holds {format_size(holds)}, with the files that it read, which the "
            "kernel takes back when it must. Masked, it does not start in the layout.",
            saves_bytes=holds,
            between=(0, holds),
            holds_bytes=holds,
            basis="measured: its cgroup's memory.current",
            settings=(("mask_units", unit),),
        )


def _programs(case: Case) -> Iterator[Remedy]:
    # What programs map is anonymous memory or page cache: RSS counts what they share in each.
    mapped = case.field("AnonPages") + case.field("Mapped")
    most = within(mapped or case.used_bytes, case.used_bytes)
    found = []
    for program in case.facts.processes or ():
        size = program.rss_bytes if program.pss_bytes is None else program.pss_bytes
        # ps shows whole command lines: the program is the last part of the first word's path.
        name = program.name.split(" ")[0].rpartition("/")[2] or program.name
        if size and size >= _PROGRAM_BYTES and not _NEEDED.fullmatch(name):
            found.append((within(size, most), name, program))
    found.sort(key=lambda item: (-item[0], item[2].pid))
    for size, name, program in found[:_MOST_OF_A_KIND]:
        exact = program.pss_bytes is not None
        yield Remedy(
            name=f"program: {name} ({program.pid})",
            sentence=f"{name} holds {format_size(size)}"
            + ("." if exact else ", with what it shares with others (RSS)."),
            saves_bytes=size,
            between=(within(program.anonymous_bytes or 0, size), size),
            holds_bytes=size,
            basis="measured: PSS (smaps_rollup)" if exact else "measured: RSS (ps)",
            step=f"find its unit (systemctl status {program.pid}), then in the profile "
            "mask_units: [UNIT]",
        )


def _drivers(case: Case) -> Iterator[Remedy]:
    held: dict[str, int] = defaultdict(int)
    for site in case.facts.alloc_sites or ():
        if site.module and not _OWN_REMEDY.fullmatch(site.module):
            held[site.module] += site.size_bytes
    for module, size in _largest(held):
        holds = within(size, case.used_bytes)
        if holds >= _PROGRAM_BYTES:
            yield Remedy(
                name=f"driver: {module}",
                sentence=f"The module {module} holds {format_size(holds)}. Left out it must not be "
                "what drives the disk or the network; and it takes the place of a "
                "module_blacklist= of the stock entry.",
                saves_bytes=holds,
                holds_bytes=holds,
                basis="measured: /proc/allocinfo",
                settings=(("extra", f"module_blacklist={module}"),),
            )


def _tmpfs(case: Case) -> Iterator[Remedy]:
    most = case.field("Shmem") or case.used_bytes
    mounts = sorted(case.facts.tmpfs or (), key=lambda item: -item.size_bytes)
    for mount in mounts[:_MOST_OF_A_KIND]:
        size = within(mount.size_bytes, most)
        if size < _FILES_BYTES or (mount.name == "/tmp" and _masked(case, "tmp.mount")):
            continue
        on_disk = mount.name == "/tmp"
        yield Remedy(
            name=f"tmpfs: {mount.name}",
            sentence=f"Files in {mount.name} take {format_size(size)} of memory."
            + (" Masked, it is a directory of the disk, where /etc/fstab does not name it."
               if on_disk else ""),
            saves_bytes=size,
            holds_bytes=size,
            basis="measured: what the tmpfs says that it uses",
            settings=(("mask_units", "tmp.mount"),) if on_disk else (),
            step=f"find who writes them (du -xh {mount.name}); of a journal in /run, write "
            "Storage=persistent into journald.conf",
        )  # fmt: skip


def _caches(case: Case) -> Remedy:
    cached = case.field("Cached") + case.field("SwapCached") - case.field("Shmem")
    size = max(0, cached) + case.field("Buffers") + case.field("SReclaimable")
    size = within(size, case.used_bytes)
    return Remedy(
        name="caches",
        sentence=f"{format_size(size)} are page cache and slab that the kernel gives back by "
        "itself: they keep nothing from booting, and count in what is used.",
        saves_bytes=size,
        between=(0, size),
        holds_bytes=size,
        basis="measured: meminfo Cached, Buffers and SReclaimable, without Shmem",
        step="nothing to do; sync; sysctl vm.drop_caches=3 shows how much comes back",
        by_itself=True,
    )
