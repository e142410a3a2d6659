"""Facts that came damaged: one sentence that names the value, whatever it is (found by fuzzing)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.errors import HotkitError
from hotkit.parse.bootreference import image_change, reference_from_facts
from hotkit.parse.facts import check_facts, topology_from_facts
from hotkit.parse.observed import observe
from hotkit.parse.pmem import regions
from tests.fuzz.changes import HOSTILE

FILES = sorted((Path(__file__).parents[2] / "data/facts").glob("*.json"))
ALL = {path.stem: path.read_text() for path in FILES}
PMEM = json.loads(ALL["lab-pmem-attached"])


@pytest.mark.parametrize("name", ALL)
def test_gathered_facts_are_whole(name):
    check_facts(json.loads(ALL[name]))


def damaged(value, *path):
    """The facts with the value at `path` replaced."""
    facts = json.loads(ALL["lab-pmem-attached"])
    at = facts
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return facts


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("hostname",), 7, "hostname is not text"),
        (("platform",), "moon", "platform is not metal, virtual or emulated"),
        (("platform",), ["metal"], "platform is not metal, virtual or emulated"),
        (("nested",), "yes", "nested is not true or false"),
        (("uid",), True, "uid is not a count below 2^64"),
        (("uid",), -1, "uid is not a count below 2^64"),
        (("uptime_s",), float("nan"), "uptime_s is not a time in seconds"),
        (("acpi",), "x", "acpi is not an object"),
        (("acpi", "SRAT"), 3, "acpi.SRAT is not text"),
        (("dmesg_memory",), 4, "dmesg_memory is not a list"),
        (("dmesg_memory", 1), None, "dmesg_memory.1 is not text"),
        (("nodes",), [], "nodes is not an object"),
        (("nodes", "0"), None, "nodes.0 is not an object"),
        (("nodes", "x"), {}, "nodes has the key 'x', which is no number"),
        (("nodes", "9" * 5000), {}, "which is no number"),
        (("nodes", "0", "distance"), "10 far", "nodes.0.distance is not text of numbers"),
        (("cpus", "node", "1"), None, "cpus.node.1 is not a number of a node or a CPU"),
        (("cpus", "node", "1"), 1 << 40, "cpus.node.1 is not a number of a node or a CPU"),
        (("cpus", "boot_apic_id"), 1 << 32, "cpus.boot_apic_id is not an APIC id"),
        (("firmware_memmap", 0, "start"), 1 << 64, "firmware_memmap.0.start is not a count"),
        (("pmem", "dax"), 0.5, "pmem.dax is not a list"),
        (("pmem", "dax", 0, "size"), None, "pmem.dax.0.size is missing"),
        (("pmem", "regions", 0, "namespaces", 1, "mode"), 1, "namespaces.1.mode is not text"),
        (("boot", "grub_cfg"), {}, "boot.grub_cfg is not text"),
        (("boot",), "here", "boot is not an object"),
        (("boot", "kernel_init_bytes"), {"vmlinuz-6.1": None}, "vmlinuz-6.1 is not a count"),
        (("boot", "initrds"), {"initrd.img-6.1": {"bytes": None}}, "bytes is missing"),
        (("os_release",), {"ID": None}, "os_release.ID is not text"),
    ],
)
def test_the_value_is_named(path, value, sentence):
    with pytest.raises(HotkitError, match="the facts are damaged: ") as caught:
        check_facts(damaged(value, *path))
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    "path",
    [("platform",), ("acpi", "SLIT"), ("nodes", "0", "distance"), ("nodes", "1", "cpulist"),
     ("cpus", "online"), ("cpus", "boot_apic_id"), ("pmem", "dax", 0, "driver"), ("pmem",),
     ("boot",), ("uptime_s",), ("hostname",), ("numactl",)],
)  # fmt: skip
def test_what_could_not_be_read_is_null_and_no_damage(path):
    facts = damaged(None, *path)
    assert topology_from_facts(facts).nodes == (0, 1, 2, 3)
    assert observe(facts).system_ram


def places(value, path=()):
    """Every path into a document, its ends and what holds them."""
    yield path
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


PLACES = [path for path in places(PMEM) if path]


@given(st.sampled_from(PLACES), st.sampled_from(HOSTILE))
def test_whatever_is_damaged_the_readers_answer_or_refuse(path, value):
    facts = damaged(value, *path)
    for read in (
        topology_from_facts,
        observe,
        reference_from_facts,
        lambda given: check_facts(given) or regions(given.get("pmem") or {}),
        lambda given: check_facts(given) or image_change(given, "/boot/vmlinuz-6.1"),
    ):
        try:
            read(facts)
        except HotkitError as error:
            assert "\n" not in error.message
