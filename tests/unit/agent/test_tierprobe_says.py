"""What the machine says about its memory, from trees like sysfs."""

import struct

from hotkit.agent.tierprobe import hmat, memory_mode, memory_side_caches, sub_numa
from hotkit.agent.workloads.llc import against_llc, llc_bytes


def put(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text + "\n")
    return root


def numa(root, cpus):
    """cpus: {cpu: (node, package)}."""
    for cpu, (node, package) in cpus.items():
        put(root, {f"cpu/cpu{cpu}/topology/physical_package_id": str(package)})
        (root / f"node/node{node}/cpu{cpu}").mkdir(parents=True)
    return sub_numa(root / "node", root / "cpu")


def test_two_packages_two_nodes_is_no_cluster(tmp_path):
    found = numa(tmp_path, {0: (0, 0), 1: (1, 1)})
    assert found["finding"] == "no"
    assert found["evidence"] == "package 0: node0; package 1: node1"


def test_one_package_with_two_nodes_is(tmp_path):
    found = numa(tmp_path, {0: (0, 0), 1: (1, 0)})
    assert (found["finding"], found["evidence"]) == ("yes", "package 0: node0, node1")


def test_no_topology_is_unknown(tmp_path):
    (tmp_path / "node/node0/cpu0").mkdir(parents=True)
    assert sub_numa(tmp_path / "node", tmp_path / "cpu")["finding"] == "unknown"


def module(technology, persistent, volatile):
    raw = bytearray(0x5C)
    raw[0x28] = technology
    struct.pack_into("<QQ", raw, 0x34, persistent, volatile)
    return bytes(raw)


def test_memory_mode_from_smbios(tmp_path):
    size = 128 << 30
    put(tmp_path, {"17-0/raw": module(7, 0, size), "17-1/raw": module(3, 0, size)})
    found = memory_mode(tmp_path / "nd", tmp_path)
    assert found["finding"] == "yes"
    assert found["evidence"] == "SMBIOS: 131072 MiB volatile, 0 MiB persistent"


def test_app_direct_from_smbios_or_from_regions(tmp_path):
    put(tmp_path, {"dmi/17-0/raw": module(7, 128 << 30, 0), "nd/region0/size": "1"})
    assert memory_mode(tmp_path / "nd", tmp_path / "dmi")["finding"] == "no"
    by_region = memory_mode(tmp_path / "nd", tmp_path / "none")
    assert (by_region["finding"], "region0" in by_region["evidence"]) == ("no", True)


def test_a_mute_machine_says_so(tmp_path):
    for found in (
        memory_mode(tmp_path / "nd", tmp_path),
        *memory_side_caches(tmp_path),
        *hmat(tmp_path),
    ):
        assert (found["finding"], found["evidence"]) == ("unknown", "the machine does not say")


def test_hmat_and_side_caches(tmp_path):
    put(
        tmp_path,
        {
            "node1/memory_side_cache/index1/size": "34359738368",
            "node1/access0/initiators/read_latency": "250",
            "node1/access0/initiators/read_bandwidth": "40000",
        },
    )
    assert memory_side_caches(tmp_path)[0]["evidence"] == "node1: index1 of 34359738368 bytes"
    assert hmat(tmp_path)[0]["evidence"] == "node1: 250 ns, 40000 MiB/s for reads"


def test_llc_is_the_last_data_cache(tmp_path):
    for index, (level, kind, size) in enumerate(
        [(1, "Data", "48K"), (1, "Instruction", "9999M"), (2, "Unified", "2048K"),
         (3, "Unified", "36M")]
    ):  # fmt: skip
        put(
            tmp_path,
            {
                f"index{index}/level": str(level),
                f"index{index}/type": kind,
                f"index{index}/size": size,
            },
        )
    assert llc_bytes(tmp_path) == 36 << 20
    assert against_llc(18 << 20, tmp_path)["footprint_vs_llc"] == 0.5


def test_no_cache_shown_is_null(tmp_path):
    assert against_llc(4096, tmp_path) == {
        "footprint_bytes": 4096, "llc_bytes": None, "footprint_vs_llc": None,
    }  # fmt: skip
