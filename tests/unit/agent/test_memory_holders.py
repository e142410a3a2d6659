"""Processes, cgroups, tmpfs, trace buffers, huge pages, PMEM namespaces, page_owner: from files.

The trees are made of what kernels really write (sources: the tests' own comments); what stands for
/ is a directory, so that machines can be shown that this one is not.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hotkit.agent import memholders, memreserved, pageowner

MIB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_processes_by_pss(tmp_path):
    root = tree(
        tmp_path,
        {
            "proc/1/statm": "100 50 20 1 0 9 0\n",
            "proc/1/comm": "systemd\n",
            "proc/1/smaps_rollup": (
                "00400000-7fff00000000 ---p 00000000 00:00 0   [rollup]\n"
                "Rss:        200 kB\nPss:         77 kB\nPss_Anon:    30 kB\nAnonymous:    31 kB\n"
            ),
            "proc/2/statm": "0 0 0 0 0 0 0\n",  # a kernel thread
            "proc/2/comm": "kthreadd\n",
            "proc/30/statm": "9 900 2 1 0 9 0\n",
            "proc/30/comm": "evil\x1b[2J\nname\n",
            "proc/44/statm": "garbage",
            "proc/44/comm": "x\n",
            "proc/55/comm": "no statm: it has just ended\n",
            "proc/6x/statm": "9 9 9\n",
            "proc/6x/comm": "no process\n",
        },
    )
    problems: list[str] = []
    assert memholders.processes(root, 5, problems) == [
        {"pid": 30, "name": "evil\x1b[2J\nname", "rss_bytes": 900 * PAGE},
        {"pid": 1, "name": "systemd", "rss_bytes": 50 * PAGE, "pss_bytes": 77 << 10,
         "anonymous_bytes": 31 << 10},
    ]  # fmt: skip
    assert problems == []
    late = memholders.processes(root, -1, problems)
    assert all("pss_bytes" not in item for item in late)
    assert problems == [
        "smaps_rollup of the 2 smallest of 2 processes was not read within -1 s: "
        "their RSS stands in"
    ]


def test_cgroup_v2(tmp_path):
    stat = "anon 1\nfile 2\nkernel 4096\nslab 77\n"
    older = "anon 1\nslab 100\nkernel_stack 16\npagetables 8\npercpu 4\n"  # before 5.18
    top = "sys/fs/cgroup/"
    root = tree(
        tmp_path,
        {
            top + "cgroup.controllers": "cpu memory\n",
            top + "memory.stat": stat,  # the root has no memory.current
            top + "system.slice/memory.current": "9000\n",
            top + "system.slice/memory.stat": stat,
            top + "system.slice/ssh.service/memory.current": "5000\n",
            top + "system.slice/ssh.service/memory.stat": older,
            top + "system.slice/odd.service/memory.current": "many\n",
            top + "system.slice/odd.service/memory.stat": stat,
            top + "user.slice/a/b/memory.current": "1\n",
            top + "user.slice/a/b/memory.stat": stat,
        },
    )
    problems: list[str] = []
    assert memholders.cgroups(root, 5, problems) == [
        {"name": "system.slice", "size_bytes": 9000, "kernel_bytes": 4096},
        {"name": "system.slice/ssh.service", "size_bytes": 5000, "kernel_bytes": 128},
    ]
    assert problems == []
    memholders.cgroups(root, -1, problems)
    assert "more cgroups than the 0" in problems[0]


def test_cgroup_v1_and_none(tmp_path):
    top = "sys/fs/cgroup/memory/"
    root = tree(
        tmp_path / "a",
        {
            top + "user/memory.usage_in_bytes": "10\n",
            top + "user/memory.kmem.usage_in_bytes": "3\n",
        },
    )
    problems: list[str] = []
    assert memholders.cgroups(root, 5, problems) == [
        {"name": "user", "size_bytes": 10, "kernel_bytes": 3}
    ]
    assert problems == []
    assert memholders.cgroups(tmp_path, 5, problems) == []
    assert "no cgroup file system" in problems[0]


def test_tmpfs_that_cannot_be_seen(tmp_path):
    """What statvfs() says is another file system here: nothing may be taken for the tmpfs's."""
    lines = [
        "22 1 0:5 / /dev rw shared:2 - devtmpfs devtmpfs rw",
        "23 1 0:6 / /with\\040space rw - tmpfs tmpfs rw",
        "24 1 8:1 / / rw - ext4 /dev/sda rw",
        "damaged",
        " - tmpfs",
    ]
    root = tree(tmp_path, {"proc/self/mountinfo": "\n".join(lines), "with space/x": ""})
    problems: list[str] = []
    assert memholders.tmpfs(root, problems) == []
    assert problems == ["what 2 tmpfs mounts hold cannot be seen: meminfo's Shmem has it"]
    assert memholders.tmpfs(tmp_path / "none", problems) == []
    assert "mountinfo cannot be read: No such file" in problems[1]


def test_trace_buffers(tmp_path):
    top = "sys/kernel/tracing/"
    root = tree(
        tmp_path,
        {
            top + "buffer_total_size_kb": "14 (expanded: 2816)\n",
            top + "instances/one/buffer_total_size_kb": "8198\n",
            # A kernel that was booted with maxcpus=2: the third CPU has no buffer.
            top + "instances/two/buffer_total_size_kb": "98304\n",
            **{top + f"instances/two/per_cpu/cpu{n}/buffer_size_kb": "32768\n" for n in range(3)},
            "sys/devices/system/cpu/online": "0-1\n",
            top + "instances/odd/buffer_total_size_kb": "X\n",
        },
    )
    problems: list[str] = []
    assert memholders.trace_buffers(root, problems) == [
        {"name": "tracing", "size_bytes": 14 << 10},
        {"name": "one", "size_bytes": 8198 << 10},
        {"name": "two", "size_bytes": 65536 << 10},
    ]
    assert problems == []
    assert memholders.trace_buffers(tmp_path / "none", problems) == []
    assert "tracefs is not mounted" in problems[0]


def test_huge_pages_and_the_crash_kernel(tmp_path):
    node = "sys/devices/system/node/node{}/hugepages/hugepages-{}kB/nr_hugepages"
    root = tree(
        tmp_path,
        {
            node.format(0, 2048): "512\n",
            node.format(1, 2048): "0\n",
            node.format(1, 1048576): "2\n",
            "sys/kernel/kexec/crash_size": "268435456\n",
        },
    )
    assert memreserved.hugepages(root) == [
        {"node": 0, "page_bytes": 2 * MIB, "size_bytes": 1024 * MIB},
        {"node": 1, "page_bytes": 1024 * MIB, "size_bytes": 2048 * MIB},
    ]
    assert memreserved.crashkernel_bytes(root) == 256 * MIB
    tree(root, {"sys/kernel/kexec_crash_size": "0\n"})
    assert memreserved.crashkernel_bytes(root) == 0
    assert memreserved.crashkernel_bytes(tmp_path / "none") is None
    assert memreserved.hugepages(tmp_path / "none") == []


def test_the_image_and_its_initramfs(tmp_path):
    iomem = (
        "00100000-bfffffff : System RAM\n  01000000-02209987 : Kernel code\n"
        "  02400000-02e09fff : Kernel rodata\n"
    )
    assert memreserved.image_bytes(iomem) == {"code": 0x1209988, "rodata": 0xA0A000}
    # A user sees no addresses.
    assert memreserved.image_bytes("  00000000-00000000 : Kernel code\n") == {}
    root = tree(tmp_path, {"boot/initrd.img-6.1.0": "x" * 10, "boot/initramfs-5.14.img": "x" * 7})
    assert memreserved.initrd_bytes(root, "6.1.0", "") == 10
    image = "BOOT_IMAGE=(hd0,gpt2)/vmlinuz-5.14 root=/dev/sda"
    assert memreserved.initrd_bytes(root, "6.1.0", image) == 7
    assert memreserved.initrd_bytes(root, "7.0", "") is None


@pytest.fixture
def pmem(tmp_path):
    """Namespaces of each mode, as drivers/nvdimm names them; the seed of a region has no size."""
    bus, real = "sys/bus/nd/devices/", "sys/devices/ndbus0/region0/"

    def space(number: str, mode: str, holder: str, size: str = "1073741824") -> dict[str, str]:
        folder = f"{bus}namespace0.{number}/"
        return {
            folder + "size": size + "\n",
            folder + "mode": mode + "\n",
            folder + "holder": holder + "\n",
            folder + "target_node": "2\n",
        }

    root = tree(
        tmp_path,
        space("0", "memory", "pfn0.0")
        | space("1", "dax", "dax0.1")
        | space("2", "dax", "dax0.2")
        | space("3", "raw", "")
        | space("4", "safe", "btt0.0")
        | space("5", "memory", "")  # memmap=nn!ss
        | space("6", "raw", "", "0")
        | {
            bus + "pfn0.0/mode": "ram\n",
            bus + "pfn0.0/align": "2097152\n",
            bus + "dax0.1/mode": "pmem\n",
            bus + "dax0.1/align": "0x40000000\n",
            bus + "dax0.2/mode": "ram\n",
            real + "dax0.1/dax0.0/size": "1069547520\n",
            real + "dax0.2/dax0.3/size": "1069547520\n",
            "sys/devices/hmem.0/dax1.0/size": "4096\n",
            "sys/devices/hmem.0/dax1.0/target_node": "-1\n",
            "sys/devices/hmem.0/dax1.0/numa_node": "1\n",
            "sys/bus/dax/drivers/kmem/bind": "",
            "sys/bus/dax/drivers/device_dax/bind": "",
        },
    )
    (root / "sys/bus/dax/devices").mkdir()
    for name, at, driver in (
        ("dax0.0", real + "dax0.1/dax0.0", "device_dax"),
        ("dax0.3", real + "dax0.2/dax0.3", "kmem"),
        ("dax1.0", "sys/devices/hmem.0/dax1.0", "kmem"),
    ):
        (root / "sys/bus/dax/devices" / name).symlink_to(root / at)
        (root / at / "driver").symlink_to(root / "sys/bus/dax/drivers" / driver)
    return root


def test_where_the_struct_pages_of_pmem_lie(pmem):
    found = memreserved.pmem_spaces(pmem)
    assert [
        (item["name"][-1], item["mode"], item["map_in"], item["align_bytes"], item["system_ram"])
        for item in found[:-1]
    ] == [
        ("0", "fsdax", "mem", 2 * MIB, False),
        ("1", "devdax", "dev", 1024 * MIB, False),
        ("2", "devdax", "mem", None, True),
        ("3", "raw", None, None, False),
        ("4", "sector", None, None, False),
        ("5", "fsdax", "mem", None, False),
    ]
    assert all(item["node"] == 2 and item["size_bytes"] == 1024 * MIB for item in found[:-1])
    # Belongs to no namespace: memory that firmware calls special purpose.
    assert found[-1] == {
        "name": "dax1.0", "mode": "devdax", "size_bytes": 4096, "map_in": "mem",
        "align_bytes": None, "node": 1, "system_ram": True,
    }  # fmt: skip


STACKS = """\
 post_alloc_hook+0x177/0x1a0
 get_page_from_freelist+0xd01/0xd80
 __alloc_pages+0x39e/0x7e0
 allocate_slab+0xbc/0x3f0
 ___slab_alloc+0x528/0x8a0
nr_base_pages: 16

 post_alloc_hook+0x177/0x1a0
 filemap_alloc_folio+0x78/0x230
handle: 77
nr_base_pages: 20824

"""
OWNER = """\
Page allocated via order 2, mask 0xcc0(GFP_KERNEL), pid 1, tgid 1 (a), ts 5 ns, free_ts 0 ns
PFN 4096 type Unmovable Block 8 type Unmovable Flags 0x17ffffc0000000(node=0|zone=2)
 post_alloc_hook+0x177/0x1a0
 allocate_slab+0xbc/0x3f0
Slab cache page
Charged to memcg /

Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 1, tgid 1 (a), ts 5 ns, free_ts 0 ns
PFN 4100 type Unmovable Block 8 type Unmovable Flags 0x17ffffc0000000(node=0|zone=2)
 init_page_owner+0x1/0x2

cut off in the mid"""


def test_page_owner_by_stack_and_by_page(tmp_path):
    root = tree(tmp_path, {"sys/kernel/debug/page_owner": OWNER})
    assert pageowner.page_owner(root, 5) == (
        [{"name": "allocate_slab", "size_bytes": 4 * 4096},
         {"name": "init_page_owner", "size_bytes": 4096}],
        None,
    )  # fmt: skip
    tree(root, {"sys/kernel/debug/page_owner_stacks/show_stacks": STACKS})
    assert pageowner.page_owner(root, 5) == (
        [{"name": "filemap_alloc_folio", "size_bytes": 20824 * 4096},
         {"name": "allocate_slab", "size_bytes": 16 * 4096}],
        None,
    )  # fmt: skip
    assert pageowner.page_owner(tmp_path / "none", 5) == (None, None)


def test_page_owner_takes_no_longer_than_it_may():
    found, problem = pageowner.tally((OWNER + "\n\n").splitlines(keepends=True) * 200, -1)
    assert problem and "read for -1 s only" in problem
    assert sum(item["size_bytes"] for item in found) == 4 * 4096
