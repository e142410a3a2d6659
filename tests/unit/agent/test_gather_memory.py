"""The script's document from a tree that stands for /: whatever is in it, the rest is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotkit.agent import gathermemory, memholders
from hotkit.agent.cpulist import parse_cpus
from hotkit.agent.gathermemory import Capture
from hotkit.parse.memfacts import memory_facts

LISTS = {
    "processes", "cgroups", "tmpfs", "trace_buffers", "pmem_spaces", "hugepages",
}  # fmt: skip


def put(root: Path, name: str, data: bytes) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_an_empty_machine(tmp_path):
    document = Capture(tmp_path).take()
    record = document["record"]
    assert document["texts"] == {}
    assert all(record[key] == [] for key in LISTS)
    said = " ".join(record["problems"])
    for name in ("meminfo", "vmallocinfo", "slabinfo", "zoneinfo", "cmdline", "uptime", "online"):
        assert name in said, f"nothing is said of {name}"
    assert "allocinfo" not in said.replace("vmallocinfo", ""), "no kernel must have it"
    assert json.loads(json.dumps(document)) == document


def test_hostile_contents(tmp_path):
    noise = bytes(range(256)) * 40
    for name in (
        "proc/meminfo", "proc/slabinfo", "proc/vmallocinfo", "proc/iomem", "proc/uptime",
        "proc/self/mountinfo", "proc/7/statm", "proc/7/comm", "proc/7/smaps_rollup",
        "sys/devices/system/cpu/online", "sys/devices/system/node/node0/cpulist",
        "sys/devices/system/node/node0/meminfo", "sys/devices/system/node/node9x/meminfo",
        "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages",
        "sys/devices/system/node/node0/hugepages/hugepages-kB/nr_hugepages",
        "sys/fs/cgroup/cgroup.controllers", "sys/fs/cgroup/a/memory.current",
        "sys/fs/cgroup/a/memory.stat", "sys/bus/nd/devices/namespace0.0/size",
        "sys/bus/nd/devices/namespace0.0/mode", "sys/kernel/debug/page_owner",
        "sys/kernel/tracing/instances/x/buffer_total_size_kb",
        "sys/kernel/tracing/buffer_total_size_kb", "sys/kernel/kexec_crash_size",
        "sys/kernel/tracing/trace", "sys/kernel/tracing/per_cpu/cpu0/stats",
    ):  # fmt: skip
        put(tmp_path, name, noise)
    for event in ("mm_page_alloc", "mm_page_free"):
        put(tmp_path, f"sys/kernel/tracing/events/kmem/{event}/enable", b"1\n")
    put(tmp_path, "proc/vmstat", b"nr_free_pages 12\n")
    document = Capture(tmp_path).take()
    assert document["texts"]["vmstat"] == "nr_free_pages 12\n"
    assert "\ufffd" in document["texts"]["meminfo"]
    assert document["record"]["traced_tasks"] == []
    assert document["record"]["cpus_online"] is None
    assert any("CPUs online could not be read" in item for item in document["record"]["problems"])
    json.dumps(document).encode("ascii")


def test_one_source_that_breaks_costs_no_other(tmp_path, monkeypatch):
    def broken(*_: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(memholders, "cgroups", broken)
    monkeypatch.setattr(gathermemory.gather, "machine_kind", broken)
    put(tmp_path, "sys/devices/system/cpu/possible", b"0-3,8\n")
    record = Capture(tmp_path).take()["record"]
    assert record["cgroups"] is None and record["cpus_possible"] == 5
    assert "cgroups could not be read: RecursionError: too deep" in record["problems"]
    assert "platform" not in record


def test_a_text_without_end_is_cut_at_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(gathermemory, "_MOST_BYTES", 20)
    put(tmp_path, "proc/vmallocinfo", b"0123456789\nabcdefghijklm\n")
    document = Capture(tmp_path).take()
    assert document["texts"]["vmallocinfo"] == "0123456789\n"
    assert any("its end is cut" in item for item in document["record"]["problems"])


def test_addresses_hidden_from_a_user(tmp_path):
    put(tmp_path, "proc/iomem", b"00000000-00000000 : System RAM\n")
    record = Capture(tmp_path).take()["record"]
    assert "/proc/iomem has no addresses: they are for root only" in record["problems"]
    assert record["image_bytes"] == {}


def traced(root: Path, *, overrun: int = 0) -> None:
    top = "sys/kernel/tracing/"
    (root / top / "instances").mkdir(parents=True)
    for event in ("mm_page_alloc", "mm_page_free"):
        put(root, f"{top}events/kmem/{event}/enable", b"1\n")
    put(
        root, top + "trace",
        b"             cat-7       [000] ..... 2.500000: mm_page_alloc: page=00 pfn=0x10 order=1 "
        b"migratetype=0 gfp_flags=GFP_KERNEL\n"
        b"           <...>-8       [000] ..... 2.600000: mm_page_alloc: page=00 pfn=0x20 order=0 "
        b"migratetype=0 gfp_flags=GFP_KERNEL\n",
    )  # fmt: skip
    put(
        root, top + "per_cpu/cpu0/stats",
        b"overrun: %d\noldest event ts:  3.000000\nnow ts:  9.0\n" % overrun,
    )  # fmt: skip
    put(root, "proc/8/comm", b"dhclient\n")


def test_a_trace_from_boot(tmp_path):
    traced(tmp_path)
    put(tmp_path, "proc/cmdline", b"quiet trace_event=kmem:mm_page_alloc,kmem:mm_page_free\n")
    record = Capture(tmp_path).take()["record"]
    assert record["traced_tasks"] == [
        {"name": "cat: kernel", "size_bytes": 8192},
        {"name": "dhclient: kernel", "size_bytes": 4096},
    ]
    assert "traced" not in record, "tasks' pages are in Slab and PageTables too: they name nothing"
    assert record["trace"]["from_boot"] and record["trace"]["allocations"] == 2
    assert not any("trace of page_alloc" in item for item in record["problems"])


def test_a_trace_with_stacks_names_functions(tmp_path):
    traced(tmp_path)
    stacks = Path(__file__).parents[2] / "data/memory/traces/stacks.txt"
    put(tmp_path, "sys/kernel/tracing/trace", stacks.read_bytes())
    put(tmp_path, "sys/kernel/tracing/per_cpu/cpu0/stats", b"overrun: 0\nnow ts: 99999.0\n")
    record = Capture(tmp_path).take()["record"]
    assert record["trace"]["by"] == "function" and "traced_tasks" not in record
    assert record["traced"][0]["name"] == "do_huge_pmd_anonymous_page"
    facts = memory_facts("m1", {"meminfo": "MemTotal: 9 kB\nMemFree: 1 kB\n"}, record)
    assert facts.traced is not None and facts.traced[0].size_bytes == 2 << 20


def test_what_a_task_took_by_use(tmp_path):
    traced(tmp_path)
    tasks = Path(__file__).parents[2] / "data/memory/traces/tasks.txt"
    put(tmp_path, "sys/kernel/tracing/trace", tasks.read_bytes())
    put(tmp_path, "sys/kernel/tracing/per_cpu/cpu0/stats", b"overrun: 0\nnow ts: 99999.0\n")
    record = Capture(tmp_path).take()["record"]
    assert [(item["name"], item["size_bytes"] // 4096) for item in record["traced_tasks"]] == [
        ("python3: processes, files", 560), ("python3: kernel", 1),
        ("qemu-system-x86: kernel", 1), ("qemu-system-x86: processes, files", 1),
    ]  # fmt: skip
    facts = memory_facts("m1", {"meminfo": "MemTotal: 9 kB\nMemFree: 1 kB\n"}, record)
    assert facts.traced is None and facts.traced_tasks is not None


def test_a_trace_that_is_not_the_whole_truth(tmp_path):
    traced(tmp_path, overrun=5)
    said = Capture(tmp_path).take()["record"]["problems"]
    assert any("traced, but not from boot" in item for item in said)
    assert any("lost 5 events" in item and "before 3.000 s is doubtful" in item for item in said)


def test_a_trace_from_boot_that_is_off_now(tmp_path):
    put(tmp_path, "proc/cmdline", b"trace_event=kmem:mm_page_alloc\n")
    record = Capture(tmp_path).take()["record"]
    assert "traced" not in record
    assert "page_alloc was traced from boot, and the trace is not on now" in record["problems"]


@pytest.mark.parametrize(
    ("text", "count"), [("0\n", 1), ("0-3,8", 5), ("\n", 0), ("0-143", 144), ("1,3,5", 3)]
)
def test_counting_a_list(text, count):
    assert len(parse_cpus(text)) == count
