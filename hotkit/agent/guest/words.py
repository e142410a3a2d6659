"""The QEMU command line of a guest, from its description (docs/guests.md). Pure.

RAM is one memory backend per node, so that a guest's node can be bound to a host's. Nothing is
written to the disk that it boots from: its writes go to a temporary file that ends with it.
"""

from __future__ import annotations

from typing import Any

PROGRAM = "qemu-system-x86_64"
QMP, CONSOLE, IDENTITY = "qmp.sock", "console.log", "identity.tar"


def qemu_words(guest: dict[str, Any], kernel: str | None, initrd: str | None) -> list[str]:
    """All words; QEMU is to be started in the guest's folder. `kernel` None: the disk's loader."""
    count = int(guest["cpus"])
    entries = guest.get("dirty_ring")
    ring = f",dirty-ring-size={entries}" if entries else ""
    words = [
        PROGRAM, "-name", f"hotkit-guest-{guest['name']},debug-threads=on",
        "-no-user-config", "-nodefaults", "-display", "none",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny",
        "-accel", "kvm" + ring, "-cpu", "host", "-machine", "q35", "-smp", str(count),
        *memory_words(guest),
        "-drive", f"file={escaped(guest['disk'])},if=none,id=root,snapshot=on,cache=unsafe"
                  + disk_format(guest),
        "-device", "virtio-blk-pci,drive=root,bootindex=1",
        "-drive", f"file={IDENTITY},format=raw,if=none,id=identity,readonly=on",
        "-device", "virtio-blk-pci,drive=identity,serial=hotkit-identity",
        # The guest reaches nobody; ssh reaches it through the host's loopback only.
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{guest['ssh_port']}-:22",
        "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", "virtio-rng-pci",
        "-serial", "file:" + CONSOLE,
        "-qmp", f"unix:{QMP},server=on,wait=off",
    ]  # fmt: skip
    if kernel:
        words += ["-kernel", kernel, "-append", command_line(guest)]
        words += ["-initrd", initrd] if initrd else []
    return words


def command_line(guest: dict[str, Any]) -> str:
    """The kernel's; a word of the description's own comes last and wins."""
    own = str(guest.get("cmdline") or "")
    return f"root={guest['root']} rw console=ttyS0 panic=-1 {own}".strip()


def memory_words(guest: dict[str, Any]) -> list[str]:
    """A backend and a NUMA node each; all CPUs are in node 0."""
    nodes = guest["nodes"]
    words = ["-m", f"{sum(node['memory_bytes'] for node in nodes) >> 20}M"]
    kind = "memory-backend-ram"
    if guest["backing"] == "hugetlb":
        kind = "memory-backend-memfd,hugetlb=on,hugetlbsize=2M"
    for number, node in enumerate(nodes):
        bound = node.get("host_node")
        where = f",host-nodes={bound},policy=bind" if bound is not None else ""
        # merge: KSM would write-protect pages behind our back.
        words += [
            "-object",
            f"{kind},id=ram{number},size={node['memory_bytes']},merge=off,share=off{where}",
        ]
        run_on = f",cpus=0-{int(guest['cpus']) - 1}" if number == 0 else ""
        words += ["-numa", f"node,nodeid={number},memdev=ram{number}{run_on}"]
    return words


def disk_format(guest: dict[str, Any]) -> str:
    """By the name; what is no qcow2 is taken byte for byte, from `disk_offset_bytes` on."""
    if guest["disk"].endswith(".qcow2"):
        return ",format=qcow2"
    offset = int(guest.get("disk_offset_bytes") or 0)
    return ",format=raw" + (f",offset={offset}" if offset else "")


def escaped(path: str) -> str:
    """A path inside an option: QEMU separates with commas, a doubled one stands for itself."""
    return str(path).replace(",", ",,")
