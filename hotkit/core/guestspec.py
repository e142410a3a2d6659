"""A host's guests (VMs): `hotkit_guests` of an inventory, and what the agent there gets of it.

hotkit_guests:
  - name: g1                  # one that hotkit starts: QEMU with KVM
    memory: 2G                # or nodes: [{memory: 1G, host_node: 0}, {memory: 1G, host_node: 1}]
    cpus: 2
    disk: /srv/g1.img
  - name: theirs              # one that somebody else starts
    process: {pid_file: /run/libvirt/qemu/theirs.pid}
    ssh: {address: 192.168.122.7}
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hotkit.core.guestkeys import GuestError, KeyPath, Keys
from hotkit.core.units import MIB, format_size

SCHEMA_VERSION = 1
BACKINGS = ("4k", "thp", "hugetlb")
KERNELS = ("running", "hotkit", "none")
FIRST_PORT = 2222
ROOT = "/dev/vda1"
SECTOR_BYTES = 512
MEMORY_BYTES = 512 * MIB
# What QEMU takes as dirty-ring-size (accel/kvm/kvm-all.c), where KVM gives it that many.
RING_ENTRIES = (1024, 65536)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")
# Into a file of options, where a blank or a quote would begin another one.
_WORD = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*")
_ROOT = re.compile(r"[A-Za-z0-9_./=:-]+")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.(service|scope)")

_STARTED = (
    "memory", "nodes", "cpus", "cpu_pins", "backing", "disk", "disk_offset_bytes", "kernel", "root",
    "cmdline", "ssh_port", "eptad", "dirty_ring",
)  # fmt: skip
_FOUND = ("process", "ssh", "qmp")
_PROCESS = ("pid", "pid_file", "unit")
_SSH = ("address", "port", "user", "identity_file")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestNode:
    """One NUMA node of a guest: how much, and of which node of the host (None: wherever)."""

    memory_bytes: int
    host_node: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedGuest:
    """A VM that hotkit starts and ends: QEMU with KVM.

    `cpu_pins` names the host's CPU of each vCPU. The guest's disk begins at `disk_offset_bytes` of
    `disk`. `kernel` is a word of KERNELS or a path on the host, with `root` as its root device;
    `none` leaves both to the loader on the disk. `ssh_port` is on the host's loopback. `eptad`:
    whether the host's CPU is to set A and D bits in the EPT (kvm_intel); None: as it is.
    `dirty_ring`: entries of each vCPU's dirty ring of KVM; None: KVM keeps a dirty log instead.
    """

    name: str
    nodes: tuple[GuestNode, ...]
    cpus: int
    cpu_pins: tuple[int, ...] | None
    backing: str
    disk: str
    disk_offset_bytes: int
    kernel: str
    root: str
    cmdline: str
    ssh_port: int
    eptad: bool | None
    dirty_ring: int | None

    @property
    def memory_bytes(self) -> int:
        return sum(node.memory_bytes for node in self.nodes)

    @property
    def port_on_host(self) -> int:
        """The port of the host's loopback that leads to its ssh."""
        return self.ssh_port

    def describe(self) -> str:
        """`QEMU, 384 MiB, 1 CPU, backing 4k`."""
        cpus = f"{self.cpus} CPU{'s' * (self.cpus > 1)}"
        return f"QEMU, {format_size(self.memory_bytes)}, {cpus}, backing {self.backing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSsh:
    """The way from a host to its guest. `identity_file` is a path on the host."""

    address: str
    port: int = 22
    user: str = "root"
    identity_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGuest:
    """A VM that somebody else starts: a process of the host, named by one of the first three."""

    name: str
    pid: int | None
    pid_file: str | None
    unit: str | None
    qmp: str | None
    ssh: GuestSsh

    @property
    def port_on_host(self) -> int | None:
        """The port of the host's loopback that leads to its ssh, None when another way does."""
        return self.ssh.port if self.ssh.address in _LOOPBACK else None

    def describe(self) -> str:
        """`process of unit machine-qemu.scope`."""
        if self.unit:
            return f"process of unit {self.unit}"
        return f"process {self.pid}" if self.pid else f"process in {self.pid_file}"


Guest = StartedGuest | FoundGuest


def guests_from(data: Any) -> tuple[Guest, ...]:
    """Read the inventory's list; GuestError names the place in it that is wrong."""
    if not isinstance(data, list):
        raise GuestError((), f"{data!r} is not a list of guests")
    found: list[Guest] = []
    names: set[str] = set()
    ports: dict[int, str] = {}
    for number, item in enumerate(data):
        guest = _guest((number,), item, FIRST_PORT + number)
        if guest.name in names:
            raise GuestError((number, "name"), f"two guests of this host are called {guest.name}")
        names.add(guest.name)
        port = guest.port_on_host
        other = ports.setdefault(port, guest.name) if port else guest.name
        if other != guest.name:
            key = ("ssh_port",) if isinstance(guest, StartedGuest) else ("ssh", "port")
            raise GuestError((number, *key), f"port {port} of the host leads to {other} already")
        found.append(guest)
    return tuple(found)


def description(guest: Guest) -> dict[str, Any]:
    """What `agent.pyz guest` reads: one JSON object, complete, sizes in bytes."""
    if isinstance(guest, FoundGuest):
        way = guest.ssh
        return {
            "schema_version": SCHEMA_VERSION,
            "name": guest.name,
            "kind": "process",
            "pid": guest.pid,
            "pid_file": guest.pid_file,
            "unit": guest.unit,
            "qmp": guest.qmp,
            "ssh": {key: getattr(way, key) for key in _SSH},
        }
    return {
        "schema_version": SCHEMA_VERSION,
        "name": guest.name,
        "kind": "qemu",
        "nodes": [
            {"memory_bytes": node.memory_bytes, "host_node": node.host_node} for node in guest.nodes
        ],
        "cpus": guest.cpus,
        "cpu_pins": None if guest.cpu_pins is None else list(guest.cpu_pins),
        "backing": guest.backing,
        "disk": guest.disk,
        "disk_offset_bytes": guest.disk_offset_bytes,
        "kernel": guest.kernel,
        "root": guest.root,
        "cmdline": guest.cmdline,
        "ssh_port": guest.ssh_port,
        "eptad": guest.eptad,
        "dirty_ring": guest.dirty_ring,
    }


def _guest(at: KeyPath, data: Any, port: int) -> Guest:
    keys = Keys(at, data, ("name", *_STARTED, *_FOUND))
    name = keys.data.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise keys.bad(
            "name", f"{name!r} cannot name a guest: up to 32 letters, digits and -, like g1"
            if "name" in keys.data else "is missing: each guest has one, like g1",
        )  # fmt: skip
    return _found(keys, name) if "process" in keys.data else _started(keys, name, port)


def _started(keys: Keys, name: str, port: int) -> StartedGuest:
    for key in ("ssh", "qmp"):
        if key in keys.data:
            raise keys.bad(key, f"is for a guest with process: hotkit makes that of {name} itself")
    if not keys.has("disk"):
        raise keys.bad("disk", f"is missing: a path on the host that {name} boots from")
    cpus = keys.whole("cpus", 1, 1)
    kernel = keys.text("kernel", KERNELS[0])
    if kernel not in KERNELS and not kernel.startswith("/"):
        known = ", ".join(KERNELS)
        raise keys.bad("kernel", f"{kernel!r} is none of {known}, nor a path on the host")
    cmdline = keys.text("cmdline", "").strip()
    if not cmdline.isascii() or not cmdline.isprintable():
        raise keys.bad("cmdline", f"{cmdline!r} is not one line of printable ASCII")
    for key in ("cmdline", "root"):
        if keys.has(key) and kernel == "none":
            raise keys.bad(key, "with kernel: none the loader on the disk has its own")
    root = keys.text("root", ROOT)
    if not _ROOT.fullmatch(root):
        raise keys.bad("root", f"{root!r} is no root device, like {ROOT} or UUID=...")
    offset = keys.whole("disk_offset_bytes", 0, 0)
    if offset % SECTOR_BYTES:
        raise keys.bad("disk_offset_bytes", f"{offset} is not a multiple of {SECTOR_BYTES}")
    if offset and keys.path("disk").endswith(".qcow2"):
        raise keys.bad("disk_offset_bytes", "is for a raw disk: a qcow2 image begins at its start")
    return StartedGuest(
        name=name,
        nodes=_nodes(keys),
        cpus=cpus,
        cpu_pins=_pins(keys, cpus),
        backing=keys.one_of("backing", BACKINGS),
        disk=keys.path("disk"),
        disk_offset_bytes=offset,
        root=root,
        kernel=kernel if kernel in KERNELS else keys.path("kernel"),
        cmdline=cmdline,
        ssh_port=keys.whole("ssh_port", port, 1, 65535),
        eptad=keys.yes_or_no("eptad"),
        dirty_ring=_ring(keys),
    )


def _nodes(keys: Keys) -> tuple[GuestNode, ...]:
    if not keys.has("nodes"):
        return (GuestNode(memory_bytes=keys.size("memory", MEMORY_BYTES)),)
    if keys.has("memory"):
        raise keys.bad("memory", "nodes says this already: keep one")
    listed = keys.data["nodes"]
    if not isinstance(listed, list) or not listed:
        raise keys.bad("nodes", f"{listed!r} is not a list of nodes like {{memory: 1G}}")
    found = []
    for number, item in enumerate(listed):
        node = Keys((*keys.at, "nodes", number), item, ("memory", "host_node"))
        bound = node.whole("host_node", None, 0)
        found.append(GuestNode(memory_bytes=node.size("memory"), host_node=bound))
    return tuple(found)


def _pins(keys: Keys, cpus: int) -> tuple[int, ...] | None:
    if not keys.has("cpu_pins"):
        return None
    pins = keys.data["cpu_pins"]
    if not isinstance(pins, list) or not all(type(pin) is int and pin >= 0 for pin in pins):
        raise keys.bad("cpu_pins", f"{pins!r} is not a list of the host's CPUs like [2, 3]")
    if len(pins) != cpus:
        raise keys.bad("cpu_pins", f"one CPU of the host for each of the guest: {cpus} are needed")
    return tuple(pins)


def _ring(keys: Keys) -> int | None:
    entries = keys.whole("dirty_ring", None, *RING_ENTRIES)
    if entries is not None and entries.bit_count() != 1:
        raise keys.bad("dirty_ring", f"{entries} is not a power of two")
    return entries


def _found(keys: Keys, name: str) -> FoundGuest:
    for key in _STARTED:
        if key in keys.data:
            raise keys.bad(key, f"is not for {name}: with process hotkit does not start it")
    process = keys.below("process", _PROCESS)
    if sum(process.has(key) for key in _PROCESS) != 1:
        raise keys.bad("process", "needs exactly one of pid, pid_file, unit")
    unit = process.text("unit", None)
    if unit is not None and not _UNIT.fullmatch(unit):
        raise process.bad("unit", f"{unit!r} is no systemd unit: NAME.service or NAME.scope")
    return FoundGuest(
        name=name,
        pid=process.whole("pid", None, 2),
        pid_file=process.path("pid_file") if process.has("pid_file") else None,
        unit=unit,
        qmp=keys.path("qmp") if keys.has("qmp") else None,
        ssh=_ssh(keys),
    )


def _ssh(keys: Keys) -> GuestSsh:
    way = keys.below("ssh", _SSH)
    address = way.text("address", _LOOPBACK[0])
    user = way.text("user", "root")
    for key, word in (("address", address), ("user", user)):
        if not _WORD.fullmatch(word):
            raise way.bad(key, f"{word!r}: only letters, digits and . : - _ % can be in it")
    port = way.whole("port", 22, 1, 65535)
    if port == 22 and address in _LOOPBACK:
        raise keys.bad(
            "ssh", f"{address} port 22 is the host itself: say how it reaches its guest, like"
            " {address: 192.168.122.7} or {port: 2222}",
        )  # fmt: skip
    identity = way.path("identity_file") if way.has("identity_file") else None
    return GuestSsh(address=address, port=port, user=user, identity_file=identity)
