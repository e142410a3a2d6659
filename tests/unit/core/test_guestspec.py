"""Guests of an inventory: what they mean, what the agent gets, and how the bad ones are refused."""

import json

import pytest

from hotkit.core.guestkeys import GuestError
from hotkit.core.guestspec import FoundGuest, StartedGuest, description, guests_from
from hotkit.core.units import GIB, MIB

LEAST = {"name": "g1", "disk": "/srv/g1.img"}
THEIRS = {
    "name": "theirs", "process": {"pid_file": "/run/libvirt/qemu/theirs.pid"},
    "ssh": {"address": "192.168.122.7"},
}  # fmt: skip


def test_what_is_not_said_has_a_default():
    (found,) = guests_from([LEAST])
    assert isinstance(found, StartedGuest)
    assert found.describe() == "QEMU, 512 MiB, 1 CPU, backing 4k"
    assert description(found) == {
        "schema_version": 1,
        "name": "g1",
        "kind": "qemu",
        "nodes": [{"memory_bytes": 512 * MIB, "host_node": None}],
        "cpus": 1,
        "cpu_pins": None,
        "backing": "4k",
        "disk": "/srv/g1.img",
        "disk_offset_bytes": 0,
        "kernel": "running",
        "root": "/dev/vda1",
        "cmdline": "",
        "ssh_port": 2222,
        "eptad": None,
        "dirty_ring": None,
    }


def test_all_that_can_be_said():
    (found,) = guests_from(
        [
            LEAST
            | {
                "nodes": [{"memory": "1G", "host_node": 0}, {"memory": "1.5G"}],
                "cpus": 2,
                "cpu_pins": [4, 4],
                "backing": "hugetlb",
                "kernel": "/boot/vmlinuz-6.12.1",
                "disk_offset_bytes": 1048576,
                "root": "UUID=0c5e-11",
                "cmdline": " mitigations=off  nokaslr ",
                "ssh_port": 3000,
                "eptad": False,
                "dirty_ring": 4096,
            }
        ]
    )
    said = description(found)
    assert said == {
        "schema_version": 1,
        "name": "g1",
        "kind": "qemu",
        "nodes": [
            {"memory_bytes": GIB, "host_node": 0},
            {"memory_bytes": 1536 * MIB, "host_node": None},
        ],
        "cpus": 2,
        "cpu_pins": [4, 4],
        "backing": "hugetlb",
        "disk": "/srv/g1.img",
        "disk_offset_bytes": 1048576,
        "kernel": "/boot/vmlinuz-6.12.1",
        "root": "UUID=0c5e-11",
        "cmdline": "mitigations=off  nokaslr",
        "ssh_port": 3000,
        "eptad": False,
        "dirty_ring": 4096,
    }
    assert found.describe() == "QEMU, 2560 MiB, 2 CPUs, backing hugetlb"
    assert json.loads(json.dumps(said)) == said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "g"), ("name", "G" * 32), ("cpus", 1), ("cpu_pins", [0]), ("kernel", "hotkit"),
        ("kernel", "none"), ("backing", "thp"), ("eptad", True), ("ssh_port", 1),
        ("ssh_port", 65535), ("dirty_ring", 1024), ("dirty_ring", 65536),
        ("disk_offset_bytes", 0), ("disk_offset_bytes", 512), ("disk", "/a b.qcow2"),
    ],
)  # fmt: skip
def test_the_ends_of_what_is_allowed(key, value):
    (found,) = guests_from([LEAST | {key: value}])
    assert description(found) == description(*guests_from([LEAST])) | {key: value}


def test_a_key_without_a_value_is_not_said():
    nothing = dict.fromkeys(
        ("memory", "nodes", "cpus", "cpu_pins", "backing", "disk_offset_bytes", "kernel", "root",
         "cmdline", "ssh_port", "eptad", "dirty_ring")
    )  # fmt: skip
    assert guests_from([LEAST | nothing]) == guests_from([LEAST])
    loader = LEAST | {"kernel": "none", "root": None, "cmdline": None}
    assert guests_from([loader])[0].root == "/dev/vda1"
    process = {"pid": 2, "pid_file": None, "unit": None}
    ssh = {"address": "g", "port": None, "user": None, "identity_file": None}
    (found,) = guests_from([THEIRS | {"process": process, "ssh": ssh, "qmp": None}])
    assert description(found) == {
        "schema_version": 1,
        "name": "theirs",
        "kind": "process",
        "pid": 2,
        "pid_file": None,
        "unit": None,
        "qmp": None,
        "ssh": {"address": "g", "port": 22, "user": "root", "identity_file": None},
    }


def test_ports_count_up_with_the_place_in_the_list():
    found = guests_from([LEAST, THEIRS, LEAST | {"name": "g3"}])
    assert [guest.port_on_host for guest in found] == [2222, None, 2224]


@pytest.mark.parametrize(
    ("way", "port"),
    [
        ({"port": 2200}, 2200),
        ({"address": "localhost", "port": 65535}, 65535),
        ({"address": "::1", "port": 1}, 1),
        ({"address": "fe80::1%eth0", "port": 2200}, None),
        ({"address": "theirs_1.lab-x", "port": 22}, None),
    ],
)
def test_a_port_of_the_hosts_loopback_leads_to_one_guest(way, port):
    (found,) = guests_from([THEIRS | {"ssh": way}])
    assert found.port_on_host == port
    other = {"name": "other", "process": {"pid": 7}, "ssh": way}
    if port is None:
        assert len(guests_from([THEIRS | {"ssh": way}, other])) == 2
        return
    with pytest.raises(GuestError) as caught:
        guests_from([THEIRS | {"ssh": way}, other])
    assert caught.value.path == (1, "ssh", "port")
    assert caught.value.problem == f"port {port} of the host leads to theirs already"


def test_a_vm_of_somebody_else():
    (found,) = guests_from([THEIRS])
    assert isinstance(found, FoundGuest)
    assert description(found) == {
        "schema_version": 1,
        "name": "theirs",
        "kind": "process",
        "pid": None,
        "pid_file": "/run/libvirt/qemu/theirs.pid",
        "unit": None,
        "qmp": None,
        "ssh": {"address": "192.168.122.7", "port": 22, "user": "root", "identity_file": None},
    }


@pytest.mark.parametrize(
    ("process", "said"),
    [
        ({"pid": 4711}, "process 4711"),
        ({"pid_file": "/run/vm.pid"}, "process in /run/vm.pid"),
        ({"unit": r"machine-qemu\x2d1.scope"}, r"process of unit machine-qemu\x2d1.scope"),
        ({"unit": "cloud-hypervisor@vm1.service"}, "process of unit cloud-hypervisor@vm1.service"),
    ],
)
def test_ways_to_name_a_process(process, said):
    way = {"port": 2222, "user": "debian", "identity_file": "/root/.ssh/vm"}
    (found,) = guests_from([THEIRS | {"process": process, "ssh": way, "qmp": "/run/vm.qmp"}])
    assert found.describe() == said
    told = description(found)
    assert {key: told[key] for key in process} == process and told["qmp"] == "/run/vm.qmp"
    assert told["ssh"] == {"address": "127.0.0.1", **way}


BAD = [
    # (the list, the place, what is said)
    ({"name": "g1"}, (), "is not a list of guests"),
    ([7], (0,), "7 is not a mapping"),
    ([{"disk": "/x"}], (0, "name"), "is missing"),
    ([LEAST | {"name": "g 1"}], (0, "name"), "'g 1' cannot name a guest: up to 32 letters"),
    ([LEAST | {"name": "-F"}], (0, "name"), "'-F' cannot name"),
    ([LEAST | {"name": "../x"}], (0, "name"), "cannot name"),
    ([LEAST | {"name": "g" * 33}], (0, "name"), "cannot name"),
    ([LEAST, LEAST], (1, "name"), "two guests of this host are called g1"),
    ([LEAST | {"size": "1G"}], (0, "size"), "unknown key; known here: name, memory, nodes"),
    ([{"name": "g1"}], (0, "disk"), "is missing: a path on the host that g1 boots from"),
    ([LEAST | {"disk": "g1.img"}], (0, "disk"), "'g1.img' is no path on the host"),
    ([LEAST | {"disk": '/a"b'}], (0, "disk"), "without quotes"),
    ([LEAST | {"disk": "/a\nProxyCommand x"}], (0, "disk"), "is no path"),
    ([LEAST | {"memory": 512}], (0, "memory"), "512 has no unit: write it like 384M or 16G"),
    ([LEAST | {"memory": "512"}], (0, "memory"), "'512' has no unit"),
    ([LEAST | {"memory": "1GB"}], (0, "memory"), "unknown unit 'GB'"),
    ([LEAST | {"memory": "385M"}], (0, "memory"), "385M is not a multiple of 2M"),
    ([LEAST | {"memory": "0M"}], (0, "memory"), "0 is no memory"),
    ([LEAST | {"memory": "1G", "nodes": [{"memory": "1G"}]}], (0, "memory"), "keep one"),
    ([LEAST | {"nodes": []}], (0, "nodes"), "[] is not a list of nodes"),
    ([LEAST | {"nodes": [{"memory": "1G"}, {"host_node": 1}]}], (0, "nodes", 1, "memory"),
     "is missing: how much, like 1G"),
    ([LEAST | {"nodes": [{"memory": "3M"}]}], (0, "nodes", 0, "memory"), "a multiple of 2M"),
    ([LEAST | {"nodes": [{"memory": "1G", "host_node": -1}]}], (0, "nodes", 0, "host_node"),
     "-1 is not a whole number, 0 or more"),
    ([LEAST | {"nodes": [{"memory": "1G", "node": 0}]}], (0, "nodes", 0, "node"), "unknown key"),
    ([LEAST | {"cpus": 0}], (0, "cpus"), "0 is not a whole number, 1 or more"),
    ([LEAST | {"cpus": True}], (0, "cpus"), "True is not a whole number"),
    ([LEAST | {"cpu_pins": "2-3"}], (0, "cpu_pins"), "'2-3' is not a list of the host's CPUs"),
    ([LEAST | {"cpu_pins": [-1]}], (0, "cpu_pins"), "is not a list of the host's CPUs"),
    ([LEAST | {"cpu_pins": [2, 3]}], (0, "cpu_pins"), "one CPU of the host for each of the guest"),
    ([LEAST | {"backing": "2M"}], (0, "backing"), "'2M' is none of 4k, thp, hugetlb"),
    ([LEAST | {"kernel": "lab"}], (0, "kernel"), "'lab' is none of running, hotkit, none, nor"),
    ([LEAST | {"kernel": '/boot/a"b'}], (0, "kernel"), "is no path on the host: /..., without quo"),
    ([LEAST | {"cmdline": "a\nb"}], (0, "cmdline"), "is not one line of printable ASCII"),
    ([LEAST | {"cmdline": ["quiet"]}], (0, "cmdline"), "is not text"),
    ([LEAST | {"cmdline": "quiet", "kernel": "none"}], (0, "cmdline"), "the loader on the disk"),
    ([LEAST | {"root": "/dev/vda", "kernel": "none"}], (0, "root"), "the loader on the disk"),
    ([LEAST | {"root": "/dev/vda ro"}], (0, "root"), "'/dev/vda ro' is no root device, like"),
    ([LEAST | {"disk_offset_bytes": 100}], (0, "disk_offset_bytes"), "100 is not a multiple"),
    ([LEAST | {"disk": "/x.qcow2", "disk_offset_bytes": 512}], (0, "disk_offset_bytes"), "a raw"),
    ([LEAST | {"disk_offset_bytes": -512}], (0, "disk_offset_bytes"), "-512 is not a whole number"),
    ([LEAST | {"eptad": "N"}], (0, "eptad"), "'N' is neither true nor false"),
    ([LEAST | {"dirty_ring": 512}], (0, "dirty_ring"), "512 is not a whole number, 1024 to 65536"),
    ([LEAST | {"dirty_ring": 5000}], (0, "dirty_ring"), "5000 is not a power of two"),
    ([THEIRS | {"dirty_ring": 4096}], (0, "dirty_ring"), "with process hotkit does not start it"),
    ([LEAST | {"ssh_port": 70000}], (0, "ssh_port"), "70000 is not a whole number, 1 to 65535"),
    ([LEAST | {"ssh_port": 2223}, LEAST | {"name": "g2"}], (1, "ssh_port"),
     "port 2223 of the host leads to g1 already"),
    ([LEAST | {"ssh_port": 65536}], (0, "ssh_port"), "65536 is not a whole number, 1 to 65535"),
    ([LEAST | {"ssh_port": 0}], (0, "ssh_port"), "0 is not a whole number, 1 to 65535"),
    ([LEAST, THEIRS | {"ssh": {"port": 2222}}], (1, "ssh", "port"), "leads to g1 already"),
    ([LEAST | {"ssh": {"port": 23}}], (0, "ssh"), "hotkit makes that of g1 itself"),
    ([LEAST | {"qmp": "/run/q"}], (0, "qmp"), "hotkit makes that of g1 itself"),
    ([THEIRS | {"memory": "1G"}], (0, "memory"), "with process hotkit does not start it"),
    ([THEIRS | {"process": {}}], (0, "process"), "exactly one of pid, pid_file, unit"),
    ([THEIRS | {"process": {"pid": 7, "unit": "x.scope"}}], (0, "process"), "exactly one of"),
    ([THEIRS | {"process": {"pid": 1}}], (0, "process", "pid"), "1 is not a whole number, 2 or"),
    ([THEIRS | {"process": {"pid_file": "x.pid"}}], (0, "process", "pid_file"), "is no path"),
    ([THEIRS | {"process": {"unit": "machine"}}], (0, "process", "unit"), "is no systemd unit"),
    ([THEIRS | {"process": {"unit": "--all.scope"}}], (0, "process", "unit"), "is no systemd unit"),
    ([THEIRS | {"ssh": {}}], (0, "ssh"), "127.0.0.1 port 22 is the host itself"),
    ([THEIRS | {"ssh": {"address": "localhost"}}], (0, "ssh"), "localhost port 22 is the host"),
    ([THEIRS | {"ssh": {"address": "::1"}}], (0, "ssh"), "::1 port 22 is the host itself"),
    ([THEIRS | {"ssh": {"port": 0}}], (0, "ssh", "port"), "0 is not a whole number, 1 to 65535"),
    ([THEIRS | {"ssh": {"address": ""}}], (0, "ssh", "address"), "'': only letters"),
    ([THEIRS | {"ssh": {"address": "g", "user": ""}}], (0, "ssh", "user"), "'': only letters"),
    ([THEIRS | {"ssh": {"address": "-oProxyCommand=x"}}], (0, "ssh", "address"), "only letters"),
    ([THEIRS | {"ssh": {"address": "a", "user": "r t"}}], (0, "ssh", "user"), "only letters"),
    ([THEIRS | {"ssh": {"address": "a", "key": "/x"}}], (0, "ssh", "key"), "known here: address"),
    ([{"name": "t", "process": {"pid": 7}}], (0, "ssh"), "say how it reaches its guest"),
]  # fmt: skip


@pytest.mark.parametrize(("listed", "path", "said"), BAD)
def test_bad_guests_are_refused_with_their_place(listed, path, said):
    with pytest.raises(GuestError) as caught:
        guests_from(listed)
    assert caught.value.path == path
    assert said in caught.value.problem
    assert str(caught.value).startswith(".".join(str(step) for step in ("hotkit_guests", *path)))


@pytest.mark.parametrize(
    "key",
    ["memory", "nodes", "cpus", "cpu_pins", "backing", "disk", "disk_offset_bytes", "kernel",
     "root", "cmdline", "ssh_port", "eptad", "dirty_ring"],
)  # fmt: skip
def test_what_is_for_guests_that_hotkit_starts(key):
    with pytest.raises(GuestError) as caught:
        guests_from([THEIRS | {key: None}])
    assert caught.value.path == (0, key)
    assert caught.value.problem == "is not for theirs: with process hotkit does not start it"
