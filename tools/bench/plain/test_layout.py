"""The peer of `hotkit verify`: the same checks as a person writes them with testinfra's modules.

    pytest test_layout.py --hosts=ssh://node01,ssh://node02 --ssh-config=FILE

What is expected of the hosts of tests/fleet stands here as constants; hotkit plans it on the
firmware of each. A question is a command over the connection, as testinfra's modules ask.
"""

import json
import re

CMDLINE = ["maxcpus=2", "memmap=1023M$513M,255M$4609M", "nokaslr"]
CPUS, NODE_OF_CPUS = "0-1", 0
RAM_PAGES = {0: 131230, 1: 262365}  # System RAM of each node
SPANS = {0: ((0, 0x60000000),), 1: ((0x60000000, 0x130000000),)}
MEMTOTAL_KIB = {0: (251003, 518779), 1: (899956, 1035124)}
DISTANCE = {0: "10 20", 1: "20 10"}
NODE = "/sys/devices/system/node/node{}/{}"


def system_ram(host):
    """Pages of System RAM by node."""
    found = dict.fromkeys(SPANS, 0)
    text = host.file("/proc/iomem").content_string
    for first, last in re.findall(r"^(\w+)-(\w+) : System RAM$", text, re.M):
        start, end = int(first, 16), int(last, 16) + 1
        for node, spans in SPANS.items():
            for low, high in spans:
                # Whole pages only, as the kernel counts them.
                a, b = -(-max(start, low) // 4096), min(end, high) // 4096
                found[node] += max(0, b - a)
    return found


def test_cmdline(host):
    words = host.file("/proc/cmdline").content_string.split()
    assert all(word in words for word in CMDLINE)
    assert any(word.startswith("hotkit.id=") for word in words)


def test_kernel(host):
    assert host.check_output("uname -r")


def test_cpus(host):
    assert host.file("/sys/devices/system/cpu/online").content_string.strip() == CPUS


def test_cpus_are_on_the_fast_node(host):
    for node in SPANS:
        found = host.file(NODE.format(node, "cpulist")).content_string.strip()
        assert found == (CPUS if node == NODE_OF_CPUS else "")


def test_system_ram(host):
    assert system_ram(host) == RAM_PAGES


def test_memtotal_of_each_node(host):
    for node, (low, high) in MEMTOTAL_KIB.items():
        text = host.file(NODE.format(node, "meminfo")).content_string
        assert low <= int(re.search(r"MemTotal:\s+(\d+)", text)[1]) <= high


def test_memtotal(host):
    text = host.file("/proc/meminfo").content_string
    low, high = (sum(bounds[end] for bounds in MEMTOTAL_KIB.values()) for end in (0, 1))
    assert low <= int(re.search(r"MemTotal:\s+(\d+)", text)[1]) <= high


def test_numactl(host):
    text = host.check_output("numactl -H")
    for node, (low, high) in MEMTOTAL_KIB.items():
        size = int(re.search(rf"node {node} size: (\d+) MB", text)[1])
        assert low // 1024 <= size <= high // 1024


def test_distances(host):
    for node, wanted in DISTANCE.items():
        assert host.file(NODE.format(node, "distance")).content_string.strip() == wanted


def test_the_record_names_the_layout(host):
    state = json.loads(host.file("/var/lib/hotkit/state.json").content_string)
    cmdline = host.file("/proc/cmdline").content_string.split()
    assert state["state"] == "verified" and state["token"] in cmdline
