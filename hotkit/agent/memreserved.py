"""What the machine has set aside: huge pages, a crash kernel, PMEM and where its struct pages lie.

Every function takes the directory that stands for /.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_MODES = {"memory": "fsdax", "dax": "devdax", "safe": "sector", "raw": "raw"}
_IMAGE = re.compile(r"^ *([0-9a-f]+)-([0-9a-f]+) : Kernel (code|rodata|data|bss)$", re.MULTILINE)


def word(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """A number in sysfs, decimal or hexadecimal; None when it is not there or not for us."""
    try:
        return int(word(path), 0)
    except ValueError:
        return None


def hugepages(root: Path) -> list[dict[str, int]]:
    """Pools of huge pages: node, page_bytes, size_bytes; those that hold something."""
    found = []
    for file in (root / "sys/devices/system/node").glob("node[0-9]*/hugepages/*/nr_hugepages"):
        match = re.fullmatch(r"hugepages-(\d+)kB", file.parent.name)
        count = number(file)
        if match and count:
            page = int(match[1]) * 1024
            node = int(file.parents[2].name[4:])
            found.append({"node": node, "page_bytes": page, "size_bytes": count * page})
    return sorted(found, key=lambda item: (item["node"], item["page_bytes"]))


def crashkernel_bytes(root: Path) -> int | None:
    sizes = [
        number(root / "sys/kernel" / name) for name in ("kexec_crash_size", "kexec/crash_size")
    ]
    return next((size for size in sizes if size is not None), None)


def image_bytes(iomem: str) -> dict[str, int]:
    """The parts of the kernel's image in /proc/iomem, which has addresses for root only."""
    return {
        part: int(end, 16) - int(start, 16) + 1
        for start, end, part in _IMAGE.findall(iomem)
        if int(end, 16)
    }


def initrd_bytes(root: Path, release: str, cmdline: str) -> int | None:
    """The size of the initramfs beside the kernel that runs, None when none is found."""
    names = [release]
    image = re.search(r"\bBOOT_IMAGE=\S*/vmlinuz-(\S+)", cmdline)
    if image:
        names.insert(0, image[1])
    for name in names:
        for folder in ("boot", "boot/hotkit"):
            for file in (f"initrd.img-{name}", f"initramfs-{name}.img", f"initrd-{name}"):
                try:
                    return (root / folder / file).stat().st_size
                except OSError:
                    continue
    return None


def pmem_spaces(root: Path) -> list[dict[str, Any]]:
    """Every PMEM namespace, and dax devices that belong to none (HMEM, CXL).

    `map_in`: "mem" when its struct pages are in DRAM, "dev" when they are in it, null when it has
    none (drivers/nvdimm/pfn_devs.c, namespace_devs.c; Documentation/ABI/testing/sysfs-bus-nvdimm).
    """
    devices = root / "sys/bus/nd/devices"
    dax = {path.name: path.resolve() for path in (root / "sys/bus/dax/devices").glob("dax*")}
    found, owned = [], set()
    for path in sorted(devices.glob("namespace*")):
        size = number(path / "size")
        if not size:
            continue  # a seed
        holder = devices / word(path / "holder") if word(path / "holder") else None
        mode = _MODES.get(word(path / "mode"), word(path / "mode"))
        mine = [n for n, at in dax.items() if holder is not None and holder.name in at.parts[:-1]]
        owned.update(mine)
        found.append(
            {
                "name": path.name,
                "mode": mode,
                "size_bytes": size,
                "map_in": map_in(mode, holder),
                "align_bytes": number(holder / "align") if holder else None,
                "node": node_of(path),
                "system_ram": any(is_system_ram(dax[name]) for name in mine),
            }
        )
    for name, path in sorted(dax.items()):
        size = number(path / "size")
        if name not in owned and size:
            found.append(
                {
                    "name": name,
                    "mode": "devdax",
                    "size_bytes": size,
                    "map_in": "mem",
                    "align_bytes": number(path / "align"),
                    "node": node_of(path),
                    "system_ram": is_system_ram(path),
                }
            )
    return found


def map_in(mode: str, holder: Path | None) -> str | None:
    if mode not in ("fsdax", "devdax"):
        return None
    if holder is None:
        return "mem"  # claimed by the driver itself: memmap=nn!ss, and firmware without labels
    return {"ram": "mem", "pmem": "dev"}.get(word(holder / "mode"))


def node_of(path: Path) -> int | None:
    """The node that it would be as RAM; else the one that it is near to."""
    nodes = [number(path / name) for name in ("target_node", "numa_node")]
    return next((node for node in nodes if node is not None and node >= 0), None)


def is_system_ram(device: Path) -> bool:
    driver = device / "driver"
    return driver.exists() and driver.resolve().name == "kmem"
