"""What a machine's memory was like once it had booted, where the facts say only some of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.core.units import KIB, MIB
from hotkit.parse.bootreference import image_change, reference_from_facts

FACTS = Path(__file__).parents[2] / "data/facts/lab-small-stock.json"
INITRD = "/boot/initrd.img-6.1.0-56-cloud-amd64"


def facts(**change: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FACTS.read_text())
    return found | change


def with_boot(**more: Any) -> dict[str, Any]:
    found = facts()
    return found | {"boot": found["boot"] | more}


def test_without_meminfo_the_nodes_add_up() -> None:
    nodes = {
        str(node): {
            "meminfo": f"Node {node} MemTotal: 1000 kB\nNode {node} MemFree: 600 kB\n"
            f"Node {node} FilePages: 100 kB\nNode {node} Shmem: 10 kB\n"
            f"Node {node} AnonPages: 30 kB\n"
        }
        for node in (0, 1)
    }
    found = reference_from_facts(facts(meminfo="", nodes=nodes))
    assert found is not None
    assert found.memtotal == {0: 1000 * KIB, 1: 1000 * KIB}
    assert found.memfree == {0: 600 * KIB, 1: 600 * KIB}
    assert found.reclaimable_bytes == 180 * KIB  # page cache without shared memory
    assert found.programs_bytes == 80 * KIB


def test_a_node_without_meminfo_is_left_out() -> None:
    whole = facts()
    whole["nodes"]["1"]["meminfo"] = "rubbish"
    found = reference_from_facts(whole)
    assert found is not None and set(found.memtotal) == {0}


@pytest.mark.parametrize("change", [{"iomem": ""}, {"acpi": {}, "firmware_memmap": []}])
def test_without_ram_or_nodes_there_is_no_reference(change: dict[str, Any]) -> None:
    assert reference_from_facts(facts(**change)) is None


def test_an_initramfs_by_the_ratio_of_one_that_was_unpacked() -> None:
    known = {INITRD: {"bytes": 20 * MIB, "unpacked_bytes": 60 * MIB},
             "/boot/initrd.img-7.0": {"bytes": 30 * MIB, "unpacked_bytes": None}}  # fmt: skip

    def sizes(kernel: str, **files: Any) -> tuple[int, int]:
        found = reference_from_facts(with_boot(**files), kernel=kernel)
        assert found is not None
        return found.initrd_bytes // MIB, found.initrd_unpacked_bytes // MIB

    assert sizes("/boot/vmlinuz-7.0", initrds=known) == (30, 90)
    # One that is to come is taken to be as large as the one that runs.
    assert sizes("/boot/vmlinuz-8.0", initrds=known) == (20, 60)
    assert sizes("/boot/vmlinuz-7.0") == (0, 0)
    # An empty file has no ratio (found by looking for what fuzzing had left out).
    empty = {INITRD: {"bytes": 0, "unpacked_bytes": 60 * MIB}}
    assert sizes("/boot/vmlinuz-7.0", initrds=empty) == (0, 0)


def test_how_much_more_another_kernel_keeps() -> None:
    running = facts()["kernel_release"]
    sizes = {f"/boot/vmlinuz-{running}": 20 * MIB, "/boot/vmlinuz-new": 40 * MIB}
    known = with_boot(kernel_init_bytes=sizes)
    more = image_change(known, "/vmlinuz-new")
    assert 10 * MIB < more < 20 * MIB  # a share of init_size stays
    assert image_change(known, f"/vmlinuz-{running}") == 0
    assert image_change(known, "/vmlinuz-unknown") == 0
    assert image_change(known, "/vmlinuz-unknown", init_bytes=40 * MIB) == more
    assert image_change(facts(), "/vmlinuz-new") == 0
