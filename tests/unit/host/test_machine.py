"""hotkit_machine: what is read, what is refused, and what QEMU is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hotkit import lab
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.inventory import load_inventory
from hotkit.host.machine import Machine
from hotkit.host.qemu import Launch, RamFiles, argv, processors

GIB = 1 << 30
TWO = {"nodes": [{"memory": "1G", "cpus": 2}, {"memory": "512M", "cpus": 1}]}


def launch(tmp_path: Path, *, private: bool = True, paused: bool = True) -> Launch:
    return Launch(
        accel="tcg",
        ram=RamFiles(directory=tmp_path / "a,b", private=private),
        ssh_port=2222,
        identity=tmp_path / "identity",
        image=tmp_path / "base.raw",
        paused=paused,
    )


def test_reads_sizes_cpus_and_distances() -> None:
    machine = Machine.from_dict("m", TWO)
    assert [node.memory_bytes for node in machine.nodes] == [GIB, GIB // 2]
    assert machine.distances == ((10, 20), (20, 10))
    assert [machine.cpu_range(node) for node in (0, 1)] == [(0, 1), (2, 2)]
    assert Machine.from_dict("m", machine.to_dict()) == machine
    assert machine.describe() == "2 nodes, RAM 1 GiB + 512 MiB, 3 CPUs"


def test_notes_do_not_make_another_machine() -> None:
    plain, noted = Machine.from_dict("m", TWO), Machine.from_dict("m", TWO | {"notes": ["x"]})
    assert plain.id == noted.id
    assert plain.id != Machine.from_dict("m", TWO | {"distances": [[10, 21], [21, 10]]}).id


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "nodes is a list"),
        ({"nodes": []}, "nodes is a list"),
        ({"nodes": [{"memory": "1G", "cpus": 1}] * 9}, "1 to 8 nodes"),
        ({"nodes": [{"memory": "1G"}]}, "1 to 64 CPUs"),
        ({"nodes": [{"cpus": 1}]}, "no node has memory"),
        ({"nodes": [{"memory": "1GB", "cpus": 1}]}, "nodes[0].memory"),
        ({"nodes": [{"memory": "1M", "cpus": 1}]}, "multiple of 2M"),
        ({"nodes": [{"memory": -2097152, "cpus": 1}]}, "multiple of 2M"),
        ({"nodes": [{"memory": "1G", "cpus": -1}]}, "nodes[0].cpus"),
        ({"nodes": [{"memory": "1G", "cpus": True}]}, "nodes[0].cpus"),
        ({"nodes": [{"memory": "1G", "cpu": 1}]}, "unknown key 'cpu'"),
        ({"nodes": ["1G"]}, "nodes[0]: a mapping"),
        ({"nodes": [{"memory": "1G", "pmem": "1G", "cpus": 1}]}, "neither memory nor cpus"),
        (TWO | {"distances": [[10, 20]]}, "2 rows of 2"),
        (TWO | {"distances": [[10, 5], [20, 10]]}, "distances[0][1]: 5"),
        (TWO | {"distances": [[11, 20], [20, 10]]}, "distances[0][0]: 11"),
        (TWO | {"node": 1}, "unknown key 'node'"),
        (TWO | {"notes": "x"}, "list of sentences"),
    ],
)
def test_refusals_name_the_place(data: dict[str, Any], said: str) -> None:
    with pytest.raises(HotkitError) as error:
        Machine.from_dict("m", data)
    assert said in error.value.message
    assert error.value.message.startswith("m: hotkit_machine")
    assert error.value.exit_code == ExitCode.BAD_INPUT


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "x" * 50, "logs"])
def test_a_name_is_a_file_name(name: str) -> None:
    with pytest.raises(HotkitError, match="cannot name a lab machine"):
        Machine.from_dict(name, TWO)
    with pytest.raises(HotkitError, match="cannot name a lab machine"):
        lab.down(name, lambda who, text: None)  # it removes a directory of that name


@pytest.mark.parametrize(
    ("cpus", "smp"),
    [
        ((4, 4), "8,sockets=2,cores=4"),
        ((4, 2), "6,sockets=3,cores=2"),
        ((4, 1), "5,sockets=5,cores=1"),
        ((0, 3), "3,sockets=1,cores=3"),
    ],
)
def test_no_socket_straddles_a_node(cpus: tuple[int, int], smp: str) -> None:
    machine = Machine.from_dict("m", {"nodes": [{"memory": "1G", "cpus": n} for n in cpus]})
    assert processors(machine) == ["-smp", smp]


def test_command_line(tmp_path: Path) -> None:
    words = argv(Machine.from_dict("m", TWO), launch(tmp_path))
    line = " ".join(words)
    assert words[:3] == ["qemu-system-x86_64", "-name", "hotkit-m"]
    assert (
        "-numa node,nodeid=0,memdev=ram0,cpus=0-1 -numa node,nodeid=1,memdev=ram1,cpus=2-2" in line
    )
    assert "-numa dist,src=1,dst=0,val=20" in line
    assert "restrict=on,hostfwd=tcp:127.0.0.1:2222-:22" in line, "nobody else reaches it"
    assert f"mem-path={tmp_path}/a,,b/ram-0.bin,reserve=off,share=off" in line, "commas are doubled"
    assert "nvdimm" not in line and "-S" in words
    booting = argv(Machine.from_dict("m", TWO), launch(tmp_path, private=False, paused=False))
    assert "share=on" in " ".join(booting) and "-S" not in booting


def test_sockets_have_short_names(tmp_path: Path) -> None:
    """107 characters at most: relative to the directory that QEMU is started in."""
    words = argv(Machine.from_dict("m", TWO), launch(tmp_path))
    assert "unix:qmp.sock,server=on,wait=off" in words
    assert any(word.startswith("socket,id=console,path=console.sock,") for word in words)


def test_the_default_machine_is_the_captures() -> None:
    hosts = {host.name: host for host in load_inventory("lab").hosts}
    machine = Machine.from_dict("lab-2s-256g", hosts["lab-2s-256g"].machine or {})
    assert [node.memory_bytes // GIB for node in machine.nodes] == [128, 128, 0, 0]
    assert [node.pmem_bytes // GIB for node in machine.nodes] == [0, 0, 504, 247]
    line = " ".join(argv(machine, launch(Path("/x"))))
    assert "-machine q35,nvdimm=on" in line
    assert f"-m {256 * 1024}M,slots=2,maxmem={(256 + 504 + 247) * 1024}M" in line
    assert "-device nvdimm,id=nvdimm2,memdev=pmem2,node=2" in line
    assert any("247 GiB" in note for note in machine.notes), "what differs is said"
