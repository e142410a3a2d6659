"""Boots a kernel in QEMU for a few seconds, without a disk, and brings back what it says of memory.

Two kinds of machine: a lab machine exactly as the lab builds it (`LabTarget`), or any topology
(`TopologyTarget`): QEMU then holds RAM wherever the topology has some, and kernel and ACPI are told
the topology's own map (host/guestboot.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hotkit.core.acpi_tables import build_slit, build_srat
from hotkit.core.topology import Topology
from hotkit.core.units import GIB, MIB, format_size
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.guestboot import boot_words, split_kernel, stub
from hotkit.host.machine import Machine
from hotkit.host.probe_initramfs import probe_initramfs, read_facts
from hotkit.host.qemu import QEMU, RamFiles, accelerator_words, machine_words
from hotkit.host.ready import new_pmem
from hotkit.host.run import run

# On top of the layout's arguments. ttyS0 carries messages, ttyS1 the facts; a panic ends QEMU
# (-no-reboot) and is seen by the facts that are missing.
_BASE_ARGS = ("console=ttyS0", "panic=-1", "rdinit=/init")

# QEMU's "pc" has RAM in [0, 3 GiB) and from 4 GiB on, but only when there are 3.5 GiB in all: with
# less, everything lies below (hw/i386/pc_piix.c, pc_init1()).
_LOW_TOP = 3 * GIB
_LEAST_ABOVE = 512 * MIB
_HIGH = 4 * GIB
# Software emulation has 40 physical address bits; QEMU keeps the last 12 GiB of that free, as
# HyperTransport does on AMD machines.
_ADDRESS_TOP = (1 << 40) - 12 * GIB
_MOST_CPUS = 8


class Target(Protocol):
    """Something that can be booted."""

    @property
    def memory_bytes(self) -> int: ...

    @property
    def left_out(self) -> tuple[str, ...]:
        """What of the machine asked for is not reproduced, in sentences."""
        ...

    def words(self, directory: Path, kernel: Path, initrd: Path, cmdline: str) -> list[str]:
        """QEMU's options; files that it needs are written into `directory`."""
        ...


@dataclass(frozen=True, slots=True)
class LabTarget:
    """A lab machine with QEMU's own firmware map, straight into the kernel, past GRUB."""

    machine: Machine

    @property
    def memory_bytes(self) -> int:
        return self.machine.memory_bytes

    @property
    def left_out(self) -> tuple[str, ...]:
        return ()

    def words(self, directory: Path, kernel: Path, initrd: Path, cmdline: str) -> list[str]:
        new_pmem(self.machine, directory)
        # Private: nothing of the guest's RAM is written to these (empty) files.
        ram = RamFiles(directory=directory, private=True)
        words = machine_words(self.machine, ram)
        return [*words, "-kernel", str(kernel), "-initrd", str(initrd), "-append", cmdline]


@dataclass(frozen=True, slots=True)
class TopologyTarget:
    """Any topology: its own firmware map, SRAT and SLIT."""

    topology: Topology

    def __post_init__(self) -> None:
        for item in self.topology.ram:
            if item.end > _ADDRESS_TOP or (item.start < _HIGH and item.end > _LOW_TOP):
                raise HotkitError(
                    f"{self.topology.name}: RAM at {item} cannot be simulated: QEMU has RAM "
                    f"below {format_size(_LOW_TOP)} and from {format_size(_HIGH)} to "
                    f"{format_size(_ADDRESS_TOP)}"
                )

    @property
    def memory_bytes(self) -> int:
        return self.topology.ram.size_bytes

    @property
    def cpu_nodes(self) -> tuple[int, ...]:
        """The node of each simulated CPU: the first four, and one of every further node."""
        chosen = list(self.topology.cpus[: _MOST_CPUS // 2])
        for cpu in self.topology.cpus:
            if cpu.node not in [item.node for item in chosen] and len(chosen) < _MOST_CPUS:
                chosen.append(cpu)
        return tuple(cpu.node for cpu in chosen) or (min(self.topology.nodes, default=0),)

    @property
    def left_out(self) -> tuple[str, ...]:
        notes = ["PMEM is described to the kernel, but no device is behind it"]
        if not any(item.nonvolatile for item in self.topology.affinity):
            notes = []
        cpus = len(self.topology.cpus)
        if cpus > len(self.cpu_nodes):
            notes.append(f"{len(self.cpu_nodes)} of the {cpus} CPUs are there")
        return tuple(notes)

    def words(self, directory: Path, kernel: Path, initrd: Path, cmdline: str) -> list[str]:
        cpu_nodes = self.cpu_nodes
        (directory / "srat.bin").write_bytes(build_srat(self.topology, cpu_nodes))
        tables = ["-acpitable", f"file={directory}/srat.bin"]
        if self.topology.distances:
            (directory / "slit.bin").write_bytes(build_slit(self.topology.distances))
            tables += ["-acpitable", f"file={directory}/slit.bin"]
        header, _ = split_kernel(kernel.read_bytes())
        image = stub(header, initrd.stat().st_size, cmdline, self.topology.firmware)
        top = max(item.end for item in self.topology.ram)
        size = _LOW_TOP + max(top - _HIGH, _LEAST_ABOVE)
        return [
            "-machine", "pc,memory-backend=ram", "-m", f"{-(-size // MIB)}M",
            "-object", f"memory-backend-ram,id=ram,size={-(-size // MIB)}M,reserve=off",
            "-smp", f"{len(cpu_nodes)},sockets={len(cpu_nodes)},cores=1,threads=1",
            *tables, *map(str, boot_words(directory, kernel, initrd, image)),
        ]  # fmt: skip


def boot(
    target: Target, kernel: Path, args: Sequence[str], *, accel: str, quiet: bool = True
) -> dict[str, Any]:
    """Boot `target` with the kernel arguments `args`; return its facts (docs/architecture.md).

    Raises HotkitError, with the console's last lines, when the kernel did not come through.
    """
    seconds = 60 + 2 * (target.memory_bytes // GIB)  # 256 GiB: 20 s on an idle laptop
    cmdline = " ".join((*args, *_BASE_ARGS, *(("quiet",) if quiet else ())))
    with tempfile.TemporaryDirectory(prefix="hotkit-simulate-") as name:
        directory = Path(name)
        console, facts = directory / "console.log", directory / "facts.txt"
        problem = ""
        try:
            run(
                [
                    QEMU, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
                    *accelerator_words(accel),
                    "-serial", f"file:{console}", "-serial", f"file:{facts}",
                    *target.words(directory, kernel, probe_initramfs(), cmdline),
                ],
                timeout=seconds,
                cwd=directory,
            )  # fmt: skip
            return read_facts(facts.read_text(errors="replace") if facts.exists() else "")
        except HotkitError as error:
            problem = error.message
        text = console.read_text(errors="replace") if console.exists() else ""
        lines = [line for line in text.replace("\r", "\n").splitlines() if line.strip()]
    raise HotkitError(
        f"the simulated machine did not come through: {problem}"
        + ("\nits console's last lines:\n" + "\n".join(lines[-12:]) if lines else ""),
        hint="a layout that leaves too little RAM for the kernel ends like this, too",
        exit_code=ExitCode.VERDICT_FAILED,
    )
