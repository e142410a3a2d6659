"""What a target starts from: files of tests/data, what hotkit ships, and short ones from here."""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml

from hotkit.assets import asset, data
from tests.fuzz.targets import CAPTURE, ROOT
from tests.unit.parse.test_memfacts import BOOT, MEMINFO, RECORD
from tests.unit.parse.test_memory_sources import SLABS, ZONES
from tests.unit.recordings import events

DATA = ROOT / "tests/data"
# What follows is more of the same, and each try would take longer.
MOST_BYTES = 24 << 10

ALLOCINFO = """\
allocinfo - version: 1.0
#     <size>  <calls> <tag info>
        4096        1 mm/memory.c:123 func:do_anonymous_page
       16384        4 drivers/nvme/pci.c:9 [nvme] func:nvme_alloc_queue
"""
DAMO = [
    {
        "kdamond_idx": "0", "context_idx": "0", "scheme_idx": None, "target_id": "0",
        "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s"},
        "snapshots": [
            {
                "start_time": "94,827,419,009,024", "end_time": "94,827,519,009,024",
                "regions": [
                    {"start": "4096", "end": "8,192", "nr_accesses": {"samples": "3"}, "age": "1"},
                    {"start": "8192", "end": "1 MiB", "nr_accesses": {"percent": "25 %"}},
                ],
            }
        ],
    }
]  # fmt: skip
KDAMONDS = [{"contexts": [{"intervals": {
    "sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s",
    "intervals_goal": {"access_bp": "4 %", "aggrs": "3", "min_sample_us": "5 ms",
                       "max_sample_us": "10 s"}}}]}]  # fmt: skip
MEMTIERD = """\
           timestamp       pid             addr    pages     accs   writes
 1700000000000000000     4242     7f1c2d3e4000      512        1        0
 1700000001000000000     4242     7f1c2d3e4000      256        0        1
"""
GUESTS = [
    {"name": "g1", "disk": "/srv/g1.qcow2", "cpus": 2, "cpu_pins": [2, 3], "backing": "thp",
     "nodes": [{"memory": "16G", "host_node": 0}, {"memory": "48G", "host_node": 1}]},
    {"name": "g2", "disk": "/srv/g2.raw", "disk_offset_bytes": 1048576, "memory": "1G",
     "kernel": "hotkit", "root": "/dev/vda1", "cmdline": "quiet", "eptad": True,
     "dirty_ring": 4096, "ssh_port": 2300},
]  # fmt: skip


def _packed(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _files(*names: str) -> list[bytes]:
    return [path.read_bytes() for name in names for path in sorted(DATA.glob(name))]


def _all_facts() -> list[dict[str, Any]]:
    return [json.loads(text) for text in _files("facts/*.json")]


def _facts() -> list[bytes]:
    """Without what GRUB has: that is a target of its own."""
    files = {"kernel_init_bytes": {"/boot/vmlinuz-1": 9 << 20, "/boot/vmlinuz-6.1.0": 8 << 20},
             "initrds": {"/boot/initrd.img-1": {"bytes": 5, "unpacked_bytes": 9}}}  # fmt: skip
    return [_packed(facts | {"boot": files}) for facts in _all_facts()]


def _table(signature: str) -> list[bytes]:
    tables = {(facts.get("acpi") or {}).get(signature) for facts in _all_facts()}
    return [base64.b64decode(table) for table in sorted(tables - {None})]


def _boot() -> list[bytes]:
    return [_packed({"boot": facts["boot"]}) for facts in _all_facts() if "boot" in facts][-1:]


def _captures() -> list[bytes]:
    texts = {path.stem: path.read_text() for path in sorted(CAPTURE.glob("*.txt"))}
    made = {
        "meminfo": MEMINFO, "slabinfo": SLABS, "zoneinfo": ZONES, "allocinfo": ALLOCINFO,
        "dmesg-boot": BOOT, "node0-meminfo": "Node 0 MemTotal: 9 kB\nNode 0 MemFree: 3 kB\n",
        "vmstat": "nr_free_pages 123\npgfault 4\n", "cmdline": "quiet maxcpus=2\n",
        "iomem": _all_facts()[0]["iomem"],
    }  # fmt: skip
    return [_packed({"texts": texts, "record": None}), _packed({"texts": made, "record": RECORD})]


def _of_facts(key: str) -> list[bytes]:
    return sorted({str(facts[key]).encode() for facts in _all_facts() if facts.get(key)})


def _written(text: str) -> list[bytes]:
    return [line.encode() for line in text.split("\n")]


def _sweeps() -> list[bytes]:
    shipped = [data("sweep-default.yml"), data("sweep-init/sweep.yml")]
    return [path.read_bytes() for path in (*shipped, ROOT / "docs/examples/trackers.yml")]


def _workloads() -> list[bytes]:
    hotset = {"kind": "hotset", "size": "32M", "hot": "8M", "updates": 1000}
    bodies = [hotset, *({"recipe": path.stem} for path in sorted(data("workloads").glob("*.yml")))]
    bodies += [yaml.safe_load(path.read_text()) for path in sorted(data("workloads").glob("*.yml"))]
    return [yaml.safe_dump({"schema_version": 1, "workload": body}).encode() for body in bodies]


def _profiles() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(data("profiles.yml").read_text())
    return found.get("profiles", found)


def _inventories() -> list[bytes]:
    files = sorted(asset("inventories").rglob("*.yml"))
    guests = {"all": {"hosts": {"m1": {"hotkit_guests": GUESTS, "hotkit_profile": "4C16G"}}}}
    return [*(path.read_bytes() for path in files), yaml.safe_dump(guests).encode()]


def _trace() -> list[bytes]:
    return _files("trackers/damon-trace*.txt", "record/*.perf_script", "record/[it]*.txt")


def _cmdlines() -> list[bytes]:
    return _of_facts("cmdline") + _written(
        "maxcpus=4 memmap=28G!4G memmap=1M$5G,64K#0x9f000 mem=3G nr_cpus=2\n"
        'memmap=1G%5G-1+2 "dyndbg=file a b" hotkit.id=1f -- init=/bin/sh\n'
        "root=/dev/vda1 ro $kernelopts \\$5G mem=nopentium memmap=exactmap"
    )


_TEXTS = {
    "dmesg": lambda: _files("captures/*/dmesg-boot.txt"),
    "iomem": lambda: _of_facts("iomem"),
    "meminfo": lambda: _of_facts("meminfo"),
    "numactl": lambda: [*_of_facts("numactl"), *_files("captures/*/numactl-all-cpus.txt")],
    "perf": lambda: _files("perf/script-*.txt"),
}  # fmt: skip

_SEEDS = {
    "acpi-srat": lambda: _table("SRAT"),
    "acpi-madt": lambda: _table("APIC"),
    "acpi-slit": lambda: _table("SLIT"),
    "facts": _facts,
    "facts-boot": _boot,
    "capture": _captures,
    "capture-file": lambda: [*_TEXTS["meminfo"](), *_TEXTS["numactl"](), *_captures()],
    "dmesg": _TEXTS["dmesg"],
    "iomem": _TEXTS["iomem"],
    "meminfo": _TEXTS["meminfo"],
    "numactl": _TEXTS["numactl"],
    "cpulist": lambda: _written("0-3,8\n0\n\n0,2,4-7,1023"),
    "perf-script": _TEXTS["perf"],
    "witness": lambda: [
        line
        for text in _files("kernelproof/vm-*.jsonl")
        for line in text.splitlines()
        if b'"witness"' in line
    ],
    "recording": lambda: [_packed(events(steps=3, bins=4, phases=2)), _packed(events(steps=2))],
    "damo-json": lambda: [_packed(DAMO), *_files("record/*.json*")],
    "damo-kdamonds": lambda: [_packed(KDAMONDS)],
    "damon-trace": _trace,
    "memtierd": lambda: [MEMTIERD.encode(), *_files("record/memtierd*.txt")],
    "perf-mem": _TEXTS["perf"],
    "json-lines": lambda: [
        b"".join(text.splitlines(keepends=True)[:8]) for text in _files("sweeps/*/journal.jsonl")
    ],
    "yaml": lambda: [
        *_inventories(), *_sweeps(), b"a: &x {<<: {b: !vault 1}}\nc: [*x, 2001-01-01]\n"
    ],
    "inventory": _inventories,
    "sweep": _sweeps,
    "workload": lambda: [*_workloads(), *_sweeps()],
    "profile": lambda: [yaml.safe_dump(body).encode() for body in _profiles().values()],
    "profile-values": lambda: [_packed(body) for body in _profiles().values()],
    "setting": lambda: _written("fast.size=4G\nslow={pmem: true, size: 8G}\na.b.c=[1, 2"),
    "guests": lambda: [_packed(GUESTS)],
    "size": lambda: _written("4G\n1.5GiB\n0x1000\n12 %"),
    "grub-cfg": lambda: _files("grub/*.cfg"),
    "default-grub": lambda: [
        *_files("grub/default-grub"),
        b'GRUB_CMDLINE_LINUX="a $b ${c} \\$1"\nexport X=\'y\'"z"\nV=`lsb_release`\n',
    ],
    "grubenv": lambda: [
        b"# GRUB Environment Block\nnext_entry=a\\\\b\nsaved_entry=gnulinux\n".ljust(1024, b"#")
    ],
    "cmdline": _cmdlines,
    "kconfig": lambda: [
        path.read_bytes() for path in sorted((ROOT / "kernel").rglob("*.config"))[:4]
    ] + [b"DAMON=y  # trackers\nCONFIG_LOG_BUF_SHIFT=20  # long logs\n# CONFIG_X is not set\n"],
    "patch-series": lambda: [
        *(path.read_bytes() for path in sorted((ROOT / "kernel").rglob("series"))),
        b"patching file mm/a.c\nHunk #2 FAILED at 12 (offset 3 lines).\n1 out of 2 hunks FAILED\n",
    ],
}  # fmt: skip


def seeds(target: str) -> list[bytes]:
    """The seeds of a target by its name."""
    return [seed[:MOST_BYTES] for seed in _SEEDS[target]()]
