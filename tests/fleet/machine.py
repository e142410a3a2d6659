"""The files that one simulated host shows: what its firmware, its kernel and GRUB would say.

    python machine.py boot FOLDER       GRUB takes next_entry or the first entry; the files follow

The firmware is lab-small's, as it was captured. What a boot makes of it comes from hotkit's own
model of GRUB and of the kernel's memmap parser: such a host shows that many hosts are handled
well, and nothing about whether the model is right (the QEMU machines show that).
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotkit.core import grubenv, memmap
from hotkit.core.footprint import memtotal_estimate
from hotkit.core.grub_cfg import predicted_cmdline, read_menu
from hotkit.core.ranges import RangeSet
from hotkit.core.units import KIB, MIB
from hotkit.core.verdicts import cpu_list
from hotkit.parse.facts import topology_from_facts

FACTS = Path(__file__).parents[1] / "data" / "facts" / "lab-small-stock.json"
# As gather sees it in an emulated machine, so that whatever is made of it is labelled emulated.
CPUINFO = "processor\t: 0\nmodel name\t: QEMU TCG CPU version 2.5+\ninitial apicid\t: 0\n"


@dataclass(frozen=True, slots=True)
class MachineFiles:
    """Below `folder`: `boot/`, `firmware/`, `node/`, `cpu/`, and a file for each of /proc."""

    folder: Path

    def make(self) -> None:
        """A machine that was never booted: its disk and its firmware."""
        facts = captured()
        for name in ("boot/grub", "firmware/memmap", "firmware/acpi/tables", "node", "cpu"):
            (self.folder / name).mkdir(parents=True)
        # uname cannot be simulated: the kernel that runs here is the machine's.
        release = os.uname().release
        menu = facts["boot"]["grub_cfg"].replace(facts["kernel_release"], release)
        (self.folder / "boot/grub/grub.cfg").write_text(menu)
        grub_env = self.folder / "boot/grub/grubenv"
        subprocess.run(["grub-editenv", str(grub_env), "create"], check=True)
        for kind in ("vmlinuz", "initrd.img"):
            (self.folder / f"boot/{kind}-{release}").write_bytes(bytes(4096))
        (self.folder / "default-grub").write_text(facts["boot"]["default_grub"])
        for number, item in enumerate(facts["firmware_memmap"]):
            entry = self.folder / "firmware/memmap" / str(number)
            entry.mkdir()
            (entry / "start").write_text(f"{item['start']:#x}\n")
            (entry / "end").write_text(f"{item['end_inclusive']:#x}\n")
            (entry / "type").write_text(f"{item['type']}\n")
        for name, table in facts["acpi"].items():
            if table:
                file = self.folder / "firmware/acpi/tables" / name
                file.write_bytes(base64.b64decode(table))
        (self.folder / "cpuinfo").write_text(CPUINFO)
        (self.folder / "dmesg").write_text("\n".join(facts["dmesg_memory"]) + "\n")
        self.boot()

    def boot(self) -> str:
        """What GRUB and the kernel do; the command line. An init of /bin/false comes back stock."""
        self._boot(self._grub())
        if "init=/bin/false" in self.cmdline.split():
            self._boot(self._grub())  # panic=: the entry was armed for one boot
        return self.cmdline

    @property
    def cmdline(self) -> str:
        return (self.folder / "cmdline").read_text().strip()

    def _grub(self) -> str:
        """The command line of the entry that boots; next_entry is spent."""
        grub = self.folder / "boot/grub"
        custom = grub / "custom.cfg"
        text = (grub / "grub.cfg").read_text()
        menu = read_menu(text + "\n" + (custom.read_text() if custom.exists() else ""))
        wanted = grubenv.parse((grub / "grubenv").read_bytes()).get("next_entry")
        if wanted:
            argv = ["grub-editenv", str(grub / "grubenv"), "unset", "next_entry"]
            subprocess.run(argv, check=True)
        entry = menu.booted_by(wanted or menu.default)
        assert entry is not None, "a menu without entries"
        return predicted_cmdline(entry, menu)

    def _boot(self, cmdline: str) -> None:
        facts = captured()
        topology = topology_from_facts(facts)
        ram = memmap.system_ram_under(topology.firmware, cmdline)
        wish = re.search(r"(?:maxcpus|nr_cpus)=(\d+)", cmdline)
        cpus = {int(cpu): int(node) for cpu, node in facts["cpus"]["node"].items()}
        online = {cpu for cpu in cpus if not wish or cpu < int(wish[1])}
        self._write("cmdline", cmdline + "\n")
        self._write("boot_id", f"{uuid.uuid4()}\n")
        self._write("uptime", "60.00 100.00\n")
        self._write("iomem", _iomem(ram))
        totals = {
            node: memtotal_estimate(
                ram.intersect(topology.span(node)), low_node=node == 0, cpus_possible=len(cpus)
            )
            for node in topology.nodes
        }
        whole = sum(totals.values()) // KIB
        self._write("meminfo", f"MemTotal: {whole} kB\nMemFree: {whole // 2} kB\n"
                    f"MemAvailable: {whole // 2} kB\n")  # fmt: skip
        for node in topology.nodes:
            mine = sorted(cpu for cpu in online if cpus[cpu] == node)
            self._write(f"node/node{node}/meminfo", _node_meminfo(node, totals[node]))
            self._write(f"node/node{node}/cpulist", cpu_list(mine) + "\n" if mine else "\n")
            self._write(f"node/node{node}/distance", facts["nodes"][str(node)]["distance"] + "\n")
        for cpu, node in cpus.items():
            link = self.folder / f"cpu/cpu{cpu}" / f"node{node}"
            link.parent.mkdir(exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(f"../../node/node{node}")
        self._write("cpu/online", f"0-{max(online)}\n")
        for name in ("present", "possible"):
            self._write(f"cpu/{name}", facts["cpus"][name] + "\n")
        self._write("numactl", _numactl(totals, cpus, online, facts))

    def _write(self, name: str, text: str) -> None:
        """In place: the host has these very files mounted."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def captured() -> dict[str, Any]:
    """The facts of lab-small on its stock entry."""
    facts: dict[str, Any] = json.loads(FACTS.read_text())
    return facts


def _iomem(ram: RangeSet) -> str:
    return "".join(f"{item.start:08x}-{item.end - 1:08x} : System RAM\n" for item in ram)


def _node_meminfo(node: int, total: int) -> str:
    kib = total // KIB
    return f"Node {node} MemTotal: {kib} kB\nNode {node} MemFree: {kib // 2} kB\n"


def _numactl(
    totals: Mapping[int, int], cpus: Mapping[int, int], online: set[int], facts: Mapping[str, Any]
) -> str:
    lines = [f"available: {len(totals)} nodes (0-{max(totals)})"]
    for node, total in totals.items():
        mine = " ".join(str(cpu) for cpu in sorted(online) if cpus[cpu] == node)
        lines += [f"node {node} cpus: {mine}", f"node {node} size: {total // MIB} MB",
                  f"node {node} free: {total // 2 // MIB} MB"]  # fmt: skip
    lines += ["node distances:", "node   " + "   ".join(str(node) for node in totals)]
    for node in totals:
        words = shlex.split(facts["nodes"][str(node)]["distance"])
        lines.append(f"  {node}:  " + "  ".join(words))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    assert sys.argv[1] == "boot"
    MachineFiles(Path(sys.argv[2])).boot()
