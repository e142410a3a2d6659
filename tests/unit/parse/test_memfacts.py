"""A capture becomes facts: whole, partial, of other kernels, damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.labels import Label, Platform
from hotkit.core.memfacts import Held, PmemSpace, Process
from hotkit.core.units import GIB, KIB, MIB, PAGE_BYTES
from hotkit.errors import HotkitError
from hotkit.parse.bootlog import read_bootlog
from hotkit.parse.memfacts import kind_of_text, memory_facts
from tests.unit.machines import CAPTURE

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(CAPTURE.glob("*.txt"))}
BOOT = """\
[    0.000000] Linux version 6.1.0-56-amd64 (gcc) #1
[    0.000000] Command line: BOOT_IMAGE=/vmlinuz maxcpus=2
[    0.010000] smpboot: Allowing 3 CPUs, 0 hotplug CPUs
[    0.034000] setup_percpu: NR_CPUS:8192 nr_cpumask_bits:3 nr_cpu_ids:3 nr_node_ids:2
[    0.034100] percpu: Embedded 61 pages/cpu s212992 r8192 d28672 u1048576
[    0.034200] pcpu-alloc: s212992 r8192 d28672 u1048576 alloc=1*2097152
[    0.034300] pcpu-alloc: [0] 0 1 [1] 2 -
"""
MEMINFO = "MemTotal: 1000000 kB\nMemFree: 400000 kB\nMemAvailable: 500000 kB\n"


def facts(record=None, **texts):
    return memory_facts("box", {"meminfo": MEMINFO} | texts, record)


def test_the_capture():
    found = memory_facts("lab-2s-256g", TEXTS)
    assert found.used_bytes == 8515872 * KIB
    assert found.pmem_bytes == {2: 504 * GIB, 3: 504 * GIB}
    assert found.present_bytes[1] == 128 * GIB
    assert round((found.present_bytes[0] - 126 * GIB) / MIB, 1) == 1699.8
    assert found.cpus_possible == 144
    assert found.truncated == ("vmallocinfo",)
    assert found.unknown_fields == ()
    (sentence,) = found.problems
    assert "7687 in numactl-all-cpus, 6743 in numactl-maxcpus4, 8316 in meminfo" in sentence
    assert not found.nodes and not found.node_cpus


def test_a_boot_log_tells_what_per_cpu_areas_take():
    log, doubts = read_bootlog("[ 0.0] Linux version 5.10.0 (old boot)\n" + BOOT)
    assert not doubts
    assert log.kernel_release == "6.1.0-56-amd64"
    assert log.cmdline == "BOOT_IMAGE=/vmlinuz maxcpus=2"
    assert log.cpus_possible == 3
    # Two CPUs a group of 2 MiB: the second group's second unit is nobody's, and counted in Percpu.
    assert (log.percpu_unit_bytes, log.percpu_units) == (61 * PAGE_BYTES, 4)


@pytest.mark.parametrize(
    ("line", "possible", "unit_pages"),
    [
        ("smpboot: Allowing 8 CPUs, 4 hotplug CPUs", 8, None),
        ("CPU topo: Allowing 4 present CPUs plus 4 hotplug CPUs", 8, None),
        ("percpu: 52 4K pages/cpu s167704 r8192 d37096", None, 52),
        ("PERCPU: Embedded 33 pages/cpu @ffff88003fc00000 s96600 r8192 d30376 u524288", None, 33),
    ],
)
def test_words_of_other_kernels(line, possible, unit_pages):
    log, _ = read_bootlog(line + "\n")
    assert log.cpus_possible == possible
    assert log.percpu_unit_bytes == (unit_pages and unit_pages * PAGE_BYTES)


def test_a_damaged_line_of_the_log_costs_that_line():
    cut = TEXTS["dmesg-boot"].replace(
        "node 1: [mem 0x0000002080000000-0x000000407fffffff]", "node 1: [mem 0x000000"
    )
    found = facts(**{"dmesg-boot": cut})
    assert found.pmem_bytes == {2: 504 * GIB, 3: 504 * GIB}
    assert 1 not in found.present_bytes
    assert "dmesg-boot, line 22: cannot be read" in found.problems[0]


def test_one_table_of_numactl_is_a_capture():
    found = memory_facts("numactl-maxcpus4", {"numactl": TEXTS["numactl-maxcpus4"]})
    assert found.meminfo == {"MemTotal": 257533 * MIB, "MemFree": 250790 * MIB}
    assert found.nodes[0] == {"MemTotal": 128593 * MIB, "MemFree": 124284 * MIB}
    assert found.node_cpus == {0: 4, 1: 0}
    assert (found.cpus_online, found.cpus_possible) == (4, 4)
    with pytest.raises(HotkitError, match="numactl-all-cpus, numactl-maxcpus4 nothing says"):
        memory_facts("x", {k: v for k, v in TEXTS.items() if k.startswith("numactl")})


def test_a_table_of_the_same_moment_gives_totals_per_node():
    meminfo = f"MemTotal: {257532 * 1024 + 700} kB\nMemFree: {249845 * 1024 - 9000} kB\n"
    found = memory_facts("x", {"meminfo": meminfo, "numactl": TEXTS["numactl-all-cpus"]})
    assert found.nodes[1] == {"MemTotal": 128996 * MIB, "MemFree": 124613 * MIB}
    assert (found.cpus_online, found.node_cpus) == (144, {0: 72, 1: 72})
    assert found.problems == ("meminfo: no MemAvailable: kernels before 3.14 do not estimate it",)


def test_what_one_file_is():
    assert kind_of_text(TEXTS["numactl-maxcpus4"]) == "numactl"
    assert kind_of_text(TEXTS["meminfo"]) == "meminfo"
    assert kind_of_text("hello\n") is None


RECORD = {
    "schema_version": 1, "kernel_release": "6.1.0", "platform": "emulated", "nested": True,
    "platform_evidence": "QEMU", "uptime_s": 61.5, "cpus_online": 2, "cpus_possible": 4,
    "processes": [{"pid": 1, "name": "systemd", "pss_bytes": 4096, "anonymous_bytes": 0,
                   "rss_bytes": 8192}],
    "cgroups": [{"name": "system.slice", "size_bytes": 12288, "kernel_bytes": 4096}],
    "tmpfs": [{"name": "/run", "size_bytes": 8192}], "traced": None,
    "pmem_spaces": [{"name": "namespace0.0", "mode": "devdax", "size_bytes": GIB, "map_in": "mem",
                     "align_bytes": 2 * MIB, "node": 1, "system_ram": False}],
    "hugepages": [{"node": 1, "page_bytes": 2 * MIB, "size_bytes": 4 * MIB}],
    "node_cpus": {"0": 2, "1": 0}, "memmap_on_memory": "N",
    "crashkernel_bytes": 0, "percpu_unit_bytes": 4096,
    "problems": ["slabinfo is for root only"],
}  # fmt: skip


def test_the_record_of_a_capture():
    found = facts(RECORD, **{"dmesg-boot": BOOT})
    assert found.label == Label(platform=Platform.EMULATED, nested=True, evidence="QEMU")
    assert (found.cpus_online, found.cpus_possible, found.uptime_s) == (2, 4, 61.5)
    assert found.processes == (
        Process(pid=1, name="systemd", pss_bytes=4096, anonymous_bytes=0, rss_bytes=8192),
    )
    assert found.cgroups == (Held(name="system.slice", size_bytes=12288),)
    assert found.pmem_spaces == (
        PmemSpace(name="namespace0.0", mode="devdax", size_bytes=GIB, map_in="mem",
                  align_bytes=2 * MIB, node=1),
    )  # fmt: skip
    assert found.hugepages == {(1, 2 * MIB): 4 * MIB}
    assert found.node_cpus == {0: 2, 1: 0}
    assert found.percpu_unit_bytes == 61 * PAGE_BYTES  # the log's own words go first
    assert found.traced is None
    assert found.memmap_on_memory is False
    assert found.problems == ("slabinfo is for root only",)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"processes": "many"}, "'processes' cannot be read (no list) and is left out"),
        ({"processes": [{"pid": 1}]}, "'processes' cannot be read (it has no name) and is left"),
        ({"tmpfs": [{"name": "/run", "size_bytes": "8k"}]}, "'8k' is no count"),
        ({"cpus_online": -1}, "-1 is no count"),
        ({"hugepages": [3]}, "'hugepages' cannot be read"),
        ({"platform": "moon"}, "the platform 'moon' is unknown"),
        ({"schema_version": 7}, "its schema_version is 7, known is 1"),
        ({"memmap_on_memory": "maybe"}, "'maybe' is neither Y nor N"),
        ({"pmem_bytes": {"x": 1}}, "'pmem_bytes' cannot be read"),
    ],
)
def test_a_record_with_something_odd_keeps_the_rest(change, sentence):
    found = facts(RECORD | change)
    assert any(sentence in problem and "memory.json" in problem for problem in found.problems)
    assert found.kernel_release == "6.1.0"
    assert found.cgroups


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"vmallocinfo": ""}, "vmallocinfo: it is empty (was it read by another user than root?)"),
        ({"slabinfo": "slabinfo - version: 2.1\n# name\n"}, "slabinfo: it is empty"),
        ({"iomem": "00000000-00000000 : System RAM\n"}, "iomem: left out: /proc/iomem shows zeros"),
        ({"numactl": "hello"}, "numactl: this is no output of `numactl -H`"),
        ({"node0-meminfo": "Node 0 MemTotal: 12 kB\n"}, "node0-meminfo: no MemFree: this node is"),
        ({"meminfo": MEMINFO + "Cached: 12"}, "meminfo, line 4: has no kB and is left out"),
        ({"meminfo": MEMINFO + "HugePages_Total: 12"}, "line 4: may be cut short and is left out"),
        ({"meminfo": MEMINFO + MEMINFO}, "line 4: is there a second time and not counted"),
        ({"meminfo": "MemTotal: 10 kB\nMemFree: 11 kB\n"}, "more is free than there is"),
        ({"meminfo": MEMINFO + "Slab: 18446744073709551612 kB\n"}, "Slab is larger than MemTotal"),
        ({"zoneinfo": "\x00\x01"}, "this is no zoneinfo"),
    ],
)  # fmt: skip
def test_a_source_that_is_damaged_is_named(texts, sentence):
    found = facts(**texts)
    assert any(sentence in problem for problem in found.problems), found.problems


def test_fields_of_another_kernel_are_named_not_counted():
    found = facts(meminfo=MEMINFO + "ION_heap: 12 kB\nHighTotal: 1 kB\nUnaccepted: 3 kB\n")
    assert found.unknown_fields == ("ION_heap",)
    assert found.meminfo["ION_heap"] == 12 * KIB


@pytest.mark.parametrize(
    "texts", [{}, {"meminfo": ""}, {"meminfo": "MemTotal: 12 kB\n"}, {"meminfo": "\x7fELF\x00"},
              {"meminfo": "MemTotal: 12 kB\nMemFree: 1"}, {"vmallocinfo": "x"}]
)  # fmt: skip
def test_only_a_missing_total_is_fatal(texts):
    with pytest.raises(HotkitError, match="box: no Mem(Total|Free) is known"):
        memory_facts("box", texts)


@given(st.data())
def test_a_capture_with_any_damage_is_facts_or_one_sentence(data):
    source = data.draw(st.sampled_from(sorted(TEXTS)))
    text = TEXTS[source]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 200)))
    noise = data.draw(st.one_of(st.text(), st.from_regex(r"[0-9]{1,30}\n?"), st.just("9" * 5000)))
    damaged = TEXTS | {source: text[:start] + noise + text[end:]}
    try:
        found = memory_facts("x", damaged)
    except HotkitError as error:
        assert source == "meminfo"
        assert "no Mem" in str(error)
    else:
        assert all(problem.isprintable() for problem in found.problems)
