"""What can stay away from a machine: each remedy to the last byte and word."""

from __future__ import annotations

import pytest

from hotkit.core.memfacts import AllocSite, Held, Process
from hotkit.core.remedies_users import user_remedies
from hotkit.core.remedy import Remedy
from hotkit.core.units import GIB, MIB, PAGE_BYTES
from tests.unit.core.test_remedy import area, case, planned

KINDS = ("f2fs", "btrfs", "xfs", "ext4", "zfs", "gfs2", "ocfs2", "nilfs2", "bcachefs", "erofs")
ALWAYS = [*(f"mounts: {kind}" for kind in KINDS), "swap", "caches"]
PROGRAM, FILES = 8 * MIB, 4 * MIB


def found(*arguments, **named):
    return {item.name: item for item in user_remedies(case(*arguments, **named))}


def special(*arguments, **named):
    """Without those that every machine has."""
    remedies = found(*arguments, **named)
    assert [name for name in remedies if name in ALWAYS] == ALWAYS
    return [item for name, item in remedies.items() if name not in ALWAYS]


def held(*sizes, name="/m{}"):
    return tuple(Held(name=name.format(n), size_bytes=size) for n, size in enumerate(sizes))


def test_every_machine_has_these():
    assert list(found()) == ALWAYS
    assert {item.saves_bytes for item in found().values()} == {0}


def mounts(kind, size, size_bytes):
    return Remedy(
        name=f"mounts: {kind}",
        sentence=f"{kind} holds {size} of tables for its mounted disks; they follow the size of the"
        " disk, not the RAM. What is not mounted takes none.",
        saves_bytes=size_bytes,
        holds_bytes=size_bytes,
        basis="measured: vmallocinfo, by the function that allocated",
        step=f"find the mount (findmnt -t {kind}) and write nofail,noauto into its line of"
        " /etc/fstab; or nofail alone there, and in the profile mask_units: [NAME.mount], as"
        " systemd-escape -p --suffix=mount MOUNTPOINT names it",
    )


def test_tables_of_mounted_disks():
    callers = ("f2fs_a", "jbd2_a", "ext4_b", "zfs_a", "spl_a", "spl_b", "af2fs_")
    areas = tuple(area(caller, 256 << n) for n, caller in enumerate(callers))  # 1 MiB, 2 MiB ...
    there = found(vmalloc=areas)
    assert there["mounts: f2fs"] == mounts("f2fs", "1 MiB", MIB)
    assert there["mounts: ext4"] == mounts("ext4", "6 MiB", 6 * MIB)
    assert there["mounts: zfs"] == mounts("zfs", "56 MiB", 56 * MIB)
    assert there["mounts: xfs"] == mounts("xfs", "0 B", 0)


@pytest.mark.parametrize(
    ("caller", "kind"),
    [
        ("f2fs_", "f2fs"), ("btrfs_", "btrfs"), ("xfs_", "xfs"), ("ext4_", "ext4"),
        ("jbd2_", "ext4"), ("zfs_", "zfs"), ("spl_", "zfs"), ("gfs2_", "gfs2"),
        ("ocfs2_", "ocfs2"), ("nilfs_", "nilfs2"), ("bch2_", "bcachefs"), ("erofs_", "erofs"),
    ],
)  # fmt: skip
def test_whose_table_it_is(caller, kind):
    there = found(vmalloc=(area(f"{caller}init", 1),))
    assert [name for name, item in there.items() if item.saves_bytes] == [f"mounts: {kind}"]


def test_the_map_of_swap():
    callers = ("alloc_swap_info", "swap_cgroup_swapon", "__do_sys_swapon", "__x64_sys_swapon", "x")
    areas = tuple(area(caller, 256) for caller in callers)
    assert found(vmalloc=areas)["swap"] == Remedy(
        name="swap",
        sentence="The map of swap space takes 4 MiB, whether it is used or not. Without swap a"
        " machine that runs out of memory kills sooner.",
        saves_bytes=4 * MIB,
        holds_bytes=4 * MIB,
        basis="measured: vmallocinfo, by the function that allocated",
        step="noauto in its line of /etc/fstab, or in the profile mask_units: [NAME.swap]"
        " (systemctl list-units --type=swap)",
    )


def service(unit, size, size_bytes):
    return Remedy(
        name=f"service: {unit}",
        sentence=f"{unit} holds {size}, with the files that it read, which the kernel takes back"
        " when it must. Masked, it does not start in the layout.",
        saves_bytes=size_bytes,
        between=(0, size_bytes),
        holds_bytes=size_bytes,
        basis="measured: its cgroup's memory.current",
        settings=(("mask_units", unit),),
    )


def groups(**sizes):
    return tuple(Held(name=name.replace("__", "/").replace("_", "."), size_bytes=size)
                 for name, size in sizes.items())  # fmt: skip


def test_services():
    there = groups(
        a_service=PROGRAM - 1, b_service=PROGRAM, s_slice__c_service=GIB, t_slice__c_service=MIB,
        s_slice=3 * GIB, sshd_service=GIB, u_slice__c_service=PROGRAM, d_service=5 * GIB,
        e_mount=GIB,
    )  # fmt: skip
    there += (Held(name="back\\slash.service", size_bytes=GIB), *groups(z_service=PROGRAM))
    programs = (Process(pid=1, name="x", rss_bytes=GIB),)
    assert special(cgroups=there, processes=programs) == [
        service("d.service", "4 GiB", 4 * GIB),  # no more than is in use
        service("c.service", "1032 MiB", GIB + PROGRAM),
        service("b.service", "8 MiB", PROGRAM),
        service("z.service", "8 MiB", PROGRAM),
    ]


def test_services_that_the_layout_masks_and_no_more_than_five():
    six = held(*[GIB + n for n in range(6)], name="s/u{}.service")
    names = [f"service: u{n}.service" for n in (5, 4, 3, 2, 1)]
    assert [item.name for item in special(cgroups=six)] == names
    masked = planned("systemd.mask=u5.service", "systemd.mask=u3.service")
    names = [f"service: u{n}.service" for n in (4, 2, 1, 0)]
    assert [item.name for item in special(cgroups=six, layout=masked)] == names
    assert len(special(cgroups=six, layout=planned("systemd.mask=x.service"))) == 5


def program(name, pid, size, low, size_bytes, exact=True):
    return Remedy(
        name=f"program: {name} ({pid})",
        sentence=f"{name} holds {size}"
        + ("." if exact else ", with what it shares with others (RSS)."),
        saves_bytes=size_bytes,
        between=(low, size_bytes),
        holds_bytes=size_bytes,
        basis="measured: PSS (smaps_rollup)" if exact else "measured: RSS (ps)",
        step=f"find its unit (systemctl status {pid}), then in the profile mask_units: [UNIT]",
    )


def of_programs(*processes, meminfo=(), **facts):
    return special(meminfo, processes=processes, **facts)


def test_programs_by_what_they_hold():
    there = (
        Process(pid=1, name="a", pss_bytes=PROGRAM - 1, rss_bytes=GIB),
        Process(pid=2, name="/opt/x/b --path /y/z", pss_bytes=PROGRAM, rss_bytes=GIB),
        Process(pid=3, name="c", rss_bytes=2 * PROGRAM, anonymous_bytes=PROGRAM),
        Process(pid=4, name="d"),
        Process(pid=5, name="/", pss_bytes=PROGRAM, anonymous_bytes=GIB),
        Process(pid=6, name="e\tf", pss_bytes=0, rss_bytes=GIB),
        Process(pid=7, name="g\th", pss_bytes=3 * PROGRAM),
        *(Process(pid=9, name=name, pss_bytes=GIB) for name in
          ("systemd", "/usr/lib/systemd/systemd-journald", "init splash", "(sd-pam)", "sshd: me",
           "dbus-daemon", "NetworkManager", "dhclient")),
    )  # fmt: skip
    assert of_programs(*there) == [
        program("g\th", 7, "24 MiB", 0, 3 * PROGRAM),
        program("c", 3, "16 MiB", PROGRAM, 2 * PROGRAM, exact=False),
        program("b", 2, "8 MiB", 0, PROGRAM),
        program("/", 5, "8 MiB", PROGRAM, PROGRAM),
    ]
    assert of_programs(*there, cgroups=()) == of_programs(*there)


@pytest.mark.parametrize(
    ("meminfo", "most"),
    [
        ({}, 4 * GIB),
        ({"AnonPages": GIB}, GIB),
        ({"Mapped": GIB}, GIB),
        ({"AnonPages": GIB, "Mapped": 2 * GIB}, 3 * GIB),
        ({"AnonPages": 3 * GIB, "Mapped": 3 * GIB}, 4 * GIB),
    ],
)
def test_a_program_holds_no_more_than_all_have_mapped(meminfo, most):
    (remedy,) = of_programs(Process(pid=1, name="a", pss_bytes=9 * GIB), meminfo=meminfo)
    assert remedy.holds_bytes == most


def test_of_many_programs_the_five_largest_and_of_equal_ones_the_oldest():
    six = [Process(pid=9 - n, name="a", pss_bytes=PROGRAM * (1 + n // 3)) for n in range(6)]
    names = [f"program: a ({pid})" for pid in (4, 5, 6, 7, 8)]
    assert [item.name for item in of_programs(*six)] == names


def site(size, module="m"):
    return AllocSite(size_bytes=size, calls=1, place="a.c:1", function="f", module=module)


def driver(module, size, size_bytes):
    return Remedy(
        name=f"driver: {module}",
        sentence=f"The module {module} holds {size}. Left out it must not be what drives the disk"
        " or the network; and it takes the place of a module_blacklist= of the stock entry.",
        saves_bytes=size_bytes,
        holds_bytes=size_bytes,
        basis="measured: /proc/allocinfo",
        settings=(("extra", f"module_blacklist={module}"),),
    )


def test_drivers():
    own = ("f2fs", "btrfs", "xfs", "ext4", "jbd2", "zfs", "spl", "nd_pmem", "dax_hmem",
           "device_dax", "kmem", "libnvdimm")  # fmt: skip
    sites = (
        site(PROGRAM // 2, "a"), site(PROGRAM - 1, "b"), site(PROGRAM // 2, "a"), site(GIB, None),
        site(5 * GIB, "c"), *(site(GIB, module) for module in own),
    )  # fmt: skip
    assert special(alloc_sites=sites) == [
        driver("c", "4 GiB", 4 * GIB),
        driver("a", "8 MiB", PROGRAM),
    ]
    # Of equal size by name, five at most.
    sites = tuple(site(GIB, name) for name in "fbdeca")
    assert [item.name[-1] for item in special(alloc_sites=sites)] == list("abcde")


def tmpfs(name, size, size_bytes, on_disk=False):
    masked = " Masked, it is a directory of the disk, where /etc/fstab does not name it."
    return Remedy(
        name=f"tmpfs: {name}",
        sentence=f"Files in {name} take {size} of memory.{masked if on_disk else ''}",
        saves_bytes=size_bytes,
        holds_bytes=size_bytes,
        basis="measured: what the tmpfs says that it uses",
        settings=(("mask_units", "tmp.mount"),) if on_disk else (),
        step=f"find who writes them (du -xh {name}); of a journal in /run, write"
        " Storage=persistent into journald.conf",
    )


def test_files_in_memory():
    there = (*held(FILES - 1, FILES, 5 * GIB), Held(name="/tmp", size_bytes=GIB))
    assert special({"Shmem": 3 * GIB}, tmpfs=there) == [
        tmpfs("/m2", "3 GiB", 3 * GIB),
        tmpfs("/tmp", "1 GiB", GIB, on_disk=True),
        tmpfs("/m1", "4 MiB", FILES),
    ]
    assert special(tmpfs=there[2:3]) == [tmpfs("/m2", "4 GiB", 4 * GIB)]


def test_a_tmp_that_the_layout_masks_and_no_more_than_five():
    masked = planned("systemd.mask=tmp.mount")
    there = (*held(FILES), Held(name="/tmp", size_bytes=GIB))
    assert special(tmpfs=there, layout=masked) == [tmpfs("/m0", "4 MiB", FILES)]
    assert len(special(tmpfs=there, layout=planned("systemd.mask=x.mount"))) == 2
    six = held(*[FILES + n for n in range(6)])
    assert [item.name[-1] for item in special(tmpfs=six)] == list("54321")


@pytest.mark.parametrize(
    ("meminfo", "size_bytes", "size"),
    [
        ({"Cached": 16 * MIB, "SwapCached": 8 * MIB, "Shmem": 4 * MIB, "Buffers": 2 * MIB,
          "SReclaimable": MIB}, 23 * MIB, "23 MiB"),
        # Shmem is in Cached, and swapped out a part of it is not.
        ({"Cached": MIB, "Shmem": 2 * MIB, "Buffers": 2 * MIB}, 2 * MIB, "2 MiB"),
        ({"Cached": 3 * GIB, "Buffers": 3 * GIB}, 4 * GIB, "4 GiB"),
        ({}, 0, "0 B"),
    ],
)  # fmt: skip
def test_what_the_kernel_gives_back_by_itself(meminfo, size_bytes, size):
    assert found(meminfo)["caches"] == Remedy(
        name="caches",
        sentence=f"{size} are page cache and slab that the kernel gives back by itself: they keep"
        " nothing from booting, and count in what is used.",
        saves_bytes=size_bytes,
        between=(0, size_bytes),
        holds_bytes=size_bytes,
        basis="measured: meminfo Cached, Buffers and SReclaimable, without Shmem",
        step="nothing to do; sync; sysctl vm.drop_caches=3 shows how much comes back",
        by_itself=True,
    )


def test_nothing_is_larger_than_what_is_in_use():
    areas = (area("f2fs_a", 2 * GIB // PAGE_BYTES), area("f2fs_b", 3 * GIB // PAGE_BYTES))
    assert found(vmalloc=areas)["mounts: f2fs"] == mounts("f2fs", "4 GiB", 4 * GIB)
