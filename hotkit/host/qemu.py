"""The QEMU command line of a lab machine, and what is true of its process.

RAM lives in files, one per node, so that a machine that once became ready can be started again
in a second or two, 256 GiB or not (QEMU's "VM templating"):

* `RamFiles(path, private=False)`: the machine writes into the (sparse) files. A saved state leaves
  RAM out (capability x-ignore-shared), it is in the files already.
* `RamFiles(path, private=True)`: the machine starts on such files and keeps its own writes to
  itself (MAP_PRIVATE); the files stay as they are and may be shared by many machines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotkit.core.units import GIB, KIB, MIB
from hotkit.host.machine import Machine
from hotkit.host.run import run

QEMU = "qemu-system-x86_64"
READY = "ready"  # the name of the saved state inside an overlay

# Files of a running machine, relative to its directory: QEMU is started inside it, because a
# socket's path has 107 characters at most, and $XDG_STATE_HOME may be deep.
QMP_SOCKET = "qmp.sock"
CONSOLE_SOCKET = "console.sock"
CONSOLE_LOG = "console.log"
PID_FILE = "pid"
DISK = "disk.qcow2"

# Behind each NVDIMM's memory, as a real one has it: where its namespaces are written down. 128 KiB
# is the least that QEMU and the label format take.
LABEL_BYTES = 128 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class RamFiles:
    """Where the nodes' RAM is kept; `private`: read there, written elsewhere."""

    directory: Path
    private: bool

    def path(self, node: int) -> Path:
        return self.directory / f"ram-{node}.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Everything about one start of a machine that is not the machine."""

    accel: str  # "kvm" or "tcg"
    ram: RamFiles
    ssh_port: int
    identity: Path  # a directory with host-key, authorized-keys, hostname (read at every boot)
    image: Path  # the lab image's disk, for a machine that has guests
    paused: bool = False  # do not boot: a saved state is to be loaded


def pmem_file(node: int) -> str:
    return f"pmem-{node}.bin"


def argv(machine: Machine, launch: Launch) -> list[str]:
    """The whole command line; QEMU is to be started in the machine's directory."""
    return [str(word) for word in _words(machine, launch)]


def process_name(machine: str) -> str:
    """The value of -name: by it a process is known to be the QEMU of this machine."""
    return f"hotkit-{machine}"


def _words(machine: Machine, launch: Launch) -> Iterator[str | Path]:
    yield from (
        QEMU, "-name", process_name(machine.name),
        # No configuration of the user's, no devices of QEMU's choice.
        "-no-user-config", "-nodefaults", "-display", "none", "-daemonize",
        # System calls that no QEMU needs; -daemonize itself needs fork and setsid.
        "-sandbox", "on,obsolete=deny,resourcecontrol=deny",
        *accelerator_words(launch.accel), *machine_words(machine, launch.ram),
        "-drive", f"file={DISK},format=qcow2,if=none,id=disk,cache=unsafe,discard=unmap",
        "-device", "virtio-blk-pci,drive=disk,bootindex=1", *_guest_disk(machine, launch.image),
        # The guest reaches nobody (restrict); ssh reaches it through loopback only.
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{launch.ssh_port}-:22",
        "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", "virtio-rng-pci",
        # Always logged; a socket beside it for `hotkit lab console`.
        "-chardev", f"socket,id=console,path={CONSOLE_SOCKET},server=on,wait=off,"
                    f"logfile={CONSOLE_LOG},logappend=on",
        "-serial", "chardev:console",
        "-qmp", f"unix:{QMP_SOCKET},server=on,wait=off",
        "-pidfile", PID_FILE,
    )  # fmt: skip
    for item in ("host-key", "authorized-keys", "hostname"):
        yield from ("-fw_cfg", f"name=opt/hotkit/{item},file={escape(launch.identity / item)}")
    if launch.paused:
        yield "-S"


def _guest_disk(machine: Machine, image: Path) -> list[str]:
    """The image for guests to boot from: /dev/disk/by-id/virtio-hotkit-guest in the machine.

    Without its first sector, so that the machine does not find the file system of its own root
    twice: guests have `disk_offset` and `root` for that (inventories/lab/host_vars/lab-nested.yml).
    """
    if not machine.guest_disk:
        return []
    return [
        "-drive", f"file={escape(image)},format=raw,offset=512,if=none,id=guest,readonly=on",
        "-device", "virtio-blk-pci,drive=guest,serial=hotkit-guest",
    ]  # fmt: skip


# Code that QEMU has translated stays when the machine reboots, and each write to a page with such
# code is slow: with the 1 GiB that QEMU 7.2 takes, lab-small's second reboot took 96 s instead of
# 55 (docs/lab.md). When this much is full QEMU begins anew; with 64 MiB that is so often that a
# boot takes 66 s.
_TRANSLATED_MIB = 192


def accelerator_words(accel: str) -> list[str]:
    """KVM shows the host's CPU; software emulation all that it can emulate."""
    if accel == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", f"tcg,thread=multi,tb-size={_TRANSLATED_MIB}", "-cpu", "max"]


def machine_words(machine: Machine, ram: RamFiles) -> list[str]:
    """Board, CPUs, memory, nodes: all that the firmware's tables are made from.

    PMEM files are named relative to the directory that QEMU is started in.
    """
    nvdimm = ",nvdimm=on" if machine.pmem_bytes else ""
    return [
        "-machine", f"q35{nvdimm}",
        *processors(machine), *_memory(machine, ram), *numa(machine), *_pmem(machine),
    ]  # fmt: skip


def processors(machine: Machine) -> list[str]:
    """Sockets of equal size that do not straddle a node: their size is what all nodes divide by."""
    cores = math.gcd(*(node.cpus for node in machine.nodes))
    return ["-smp", f"{machine.cpu_count},sockets={machine.cpu_count // cores},cores={cores}"]


def numa(machine: Machine) -> Iterator[str]:
    """-numa for every node and every distance (SLIT)."""
    for number, node in enumerate(machine.nodes):
        memory = f",memdev=ram{number}" if node.memory_bytes else ""
        cpus = machine.cpu_range(number)
        run_on = f",cpus={cpus[0]}-{cpus[1]}" if cpus else ""
        yield from ("-numa", f"node,nodeid={number}{memory}{run_on}")
    count = len(machine.nodes)
    for source in range(count):
        for target in range(count):
            if source != target:
                distance = machine.distances[source][target]
                yield from ("-numa", f"dist,src={source},dst={target},val={distance}")


def _memory(machine: Machine, ram: RamFiles) -> Iterator[str]:
    size = f"{machine.memory_bytes // MIB}M"
    if machine.pmem_bytes:
        # What the NVDIMMs need of the address space, to the byte: it is scarce (40 bits in TCG).
        slots = sum(1 for node in machine.nodes if node.pmem_bytes)
        size += f",slots={slots},maxmem={(machine.memory_bytes + machine.pmem_bytes) // MIB}M"
    yield from ("-m", size)
    for number, node in enumerate(machine.nodes):
        if node.memory_bytes:
            # reserve=off: 256 GiB are promised, a few are used.
            yield from (
                "-object", f"memory-backend-file,id=ram{number},size={node.memory_bytes},"
                f"mem-path={escape(ram.path(number))},reserve=off,"
                f"share={'off' if ram.private else 'on'}",
            )  # fmt: skip


def _pmem(machine: Machine) -> Iterator[str]:
    if not machine.pmem_bytes:
        return
    # No device needs a 64-bit PCI window here; 32 GiB of it (the default) would not fit above the
    # PMEM of a big machine.
    yield from ("-global", f"q35-pcihost.pci-hole64-size={GIB}")
    for number, node in enumerate(machine.nodes):
        if node.pmem_bytes:
            yield from (
                "-object", f"memory-backend-file,id=pmem{number},"
                           f"size={node.pmem_bytes + LABEL_BYTES},"
                           f"mem-path={pmem_file(number)},share=on,reserve=off",
                "-device", f"nvdimm,id=nvdimm{number},memdev=pmem{number},node={number},"
                           f"label-size={LABEL_BYTES}",
            )  # fmt: skip


def escape(path: Path) -> str:
    """A path inside an option: QEMU separates with commas, a doubled one stands for itself."""
    return str(path).replace(",", ",,")


def version() -> str:
    """QEMU's version; a saved state is only good for the one that wrote it."""
    first = run([QEMU, "--version"]).stdout.splitlines()[0]
    found = re.search(r"version (\S+(?: \(.*\))?)", first)
    return found[1] if found else first
