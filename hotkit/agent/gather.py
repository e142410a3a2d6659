"""Prints what hotkit must know about this machine, as one JSON object (docs/architecture.md).

Sent with what it imports as one text to `python3 -` (host/onescript.py): Python 3.9 or newer, as
root for full facts; reads only, needs no other file on the machine, changes nothing.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hotkit.agent import bootimages

SCHEMA_VERSION = 1
_MEMORY_LINES = re.compile(
    r"e820|SRAT|BIOS-provided|user-defined physical|Malformed|Early memory node ranges"
    r"|node +\d+: \[mem|Faking a node|NUMA:|No NUMA|memmap|Memory:|Kernel command line"
    r"|percpu: Embedded|software IO TLB: mapped|Freeing (?:unused|SMP)"
)
_ND = Path("/sys/bus/nd/devices")
_EFI_SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def text(path: str) -> str | None:
    """The file's text, None when it is not there or not for us."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return None


def line(path: str) -> str:
    return (text(path) or "").strip()


def coded(path: str) -> str | None:
    """The file's bytes in base64, None when it is not there or not for us."""
    try:
        return base64.b64encode(Path(path).read_bytes()).decode("ascii")
    except OSError:
        return None


def which(tool: str) -> str | None:
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


def output(*argv: str) -> str | None:
    """What a command prints, None when it is not there or fails."""
    tool = which(argv[0])
    if tool is None:
        return None
    env = dict(os.environ, LC_ALL="C")
    try:
        done = subprocess.run(
            (tool,) + argv[1:], stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def required_mounts() -> list[str] | None:
    """The units without which systemd has no local file systems; None where nobody says."""
    found = output("systemctl", "show", "-p", "Requires", "local-fs.target")
    return found.partition("=")[2].split() if found else None


def firmware_memmap() -> list[dict[str, Any]]:
    found = []
    root = Path("/sys/firmware/memmap")
    for entry in root.iterdir() if root.is_dir() else ():
        start, end, kind = (line(str(entry / name)) for name in ("start", "end", "type"))
        if start and end:
            found.append({"start": int(start, 16), "end_inclusive": int(end, 16), "type": kind})
    return sorted(found, key=lambda item: item["start"])


def nodes() -> dict[str, dict[str, Any]]:
    lists = pages_on_cpu_lists(text("/proc/zoneinfo") or "")
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(Path("/sys/devices/system/node").glob("node[0-9]*")):
        found[path.name[4:]] = {
            "meminfo": text(str(path / "meminfo")) or "",
            "cpulist": line(str(path / "cpulist")),
            "distance": line(str(path / "distance")),
            "cpu_lists_bytes": lists.get(path.name[4:], 0) * os.sysconf("SC_PAGE_SIZE"),
        }
    return found


def pages_on_cpu_lists(zoneinfo: str) -> dict[str, int]:
    """Free pages per node that MemFree does not count: they wait on lists of CPUs (mm/vmstat.c)."""
    found: dict[str, int] = {}
    node = ""
    for item in zoneinfo.splitlines():
        words = item.split()
        if words[:1] == ["Node"]:
            node = words[1].rstrip(",")
        elif words[:1] == ["count:"] and len(words) == 2:
            found[node] = found.get(node, 0) + int(words[1])
    return found


def pmem() -> dict[str, Any]:
    """NVDIMM regions, their namespaces, dax devices, memory blocks, tiers (sysfs, Linux 6.1)."""
    return {
        "regions": [region(path) for path in sorted(_ND.glob("region[0-9]*"))],
        "dax": [dax_device(path) for path in sorted(Path("/sys/bus/dax/devices").glob("dax*"))],
        "block_bytes": int(line("/sys/devices/system/memory/block_size_bytes") or "0", 16),
        "tiers": {
            path.parent.name: line(str(path))
            for path in Path("/sys/devices/virtual/memory_tiering").glob("memory_tier*/nodelist")
        },
        "demotion": line("/sys/kernel/mm/numa/demotion_enabled") or None,
        "tools_missing": [name for name in ("ndctl", "daxctl") if which(name) is None],
    }


def region(path: Path) -> dict[str, Any]:
    return {
        "name": path.name,
        "start": number(path / "resource"),
        "size": number(path / "size"),
        "largest_free": number(path / "max_available_extent"),
        "target_node": number(path / "target_node"),
        "align": number(path / "align") or 1 << 24,
        # ND_DEVICE_NAMESPACE_PMEM: labels say what is where; else one namespace is all of it.
        "labelled": line(str(path / "nstype")) == "5",
        "namespaces": [
            {
                "name": item.name,
                "start": number(item / "resource"),
                "size": number(item / "size"),
                "mode": line(str(item / "mode")),
                "alt_name": line(str(item / "alt_name")),
                "holder": line(str(item / "holder")),
            }
            for item in sorted(path.glob("namespace*"))
            if number(item / "size")
        ],
    }


def dax_device(path: Path) -> dict[str, Any]:
    start, size = number(path / "resource"), number(path / "size")
    driver = path / "driver"
    return {
        "name": path.name,
        "start": start,
        "size": size,
        "node": number(path / "target_node"),
        "driver": driver.resolve().name if driver.exists() else None,
        "online_bytes": online_bytes(start, size),
    }


def online_bytes(start: int, size: int) -> int:
    """What of [start, start+size) is online: whole memory blocks."""
    block = int(line("/sys/devices/system/memory/block_size_bytes") or "0", 16)
    if not block:
        return 0
    numbers = range(-(-start // block), (start + size) // block)
    states = (line(f"/sys/devices/system/memory/memory{item}/state") for item in numbers)
    return block * sum(state == "online" for state in states)


def number(path: Path) -> int:
    """A number in sysfs, decimal or hexadecimal; 0 when it is not there or not for us."""
    try:
        return int(line(str(path)) or "0", 0)
    except ValueError:
        return 0


def cpus() -> dict[str, Any]:
    root = Path("/sys/devices/system/cpu")
    where = {}
    for path in root.glob("cpu[0-9]*"):
        for link in path.glob("node[0-9]*"):
            where[path.name[3:]] = int(link.name[4:])
    found: dict[str, Any] = {k: line(str(root / k)) for k in ("online", "present", "possible")}
    found["node"] = dict(sorted(where.items(), key=lambda item: int(item[0])))
    boot = re.search(r"^initial apicid\s*:\s*(\d+)", text("/proc/cpuinfo") or "", re.M)
    # /proc/cpuinfo begins with CPU 0, which is the one that booted.
    found["boot_apic_id"] = int(boot.group(1)) if boot else None
    return found


def dmesg_memory() -> list[str]:
    log = output("dmesg") or text("/var/log/dmesg") or ""
    return [item for item in log.splitlines() if _MEMORY_LINES.search(item)][:400]


def os_release() -> dict[str, str]:
    found = {}
    for item in (text("/etc/os-release") or "").splitlines():
        key, equals, value = item.partition("=")
        if equals:
            found[key] = value.strip().strip("\"'")
    return found


def secure_boot() -> bool | None:
    """Whether Secure Boot is on; None on a machine that cannot say (no EFI, no rights)."""
    try:
        return Path("/sys/firmware/efi/efivars", _EFI_SECURE_BOOT).read_bytes()[-1] == 1
    except (OSError, IndexError):
        return None


def machine_kind() -> dict[str, Any]:
    """platform (metal, virtual or emulated), nested, and what says so."""
    cpuinfo = text("/proc/cpuinfo") or ""
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    clocks = line("/sys/devices/system/clocksource/clocksource0/available_clocksource")
    return judge_platform(
        brand=model.group(1).strip() if model else "",
        flagged=re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.M) is not None,
        hypervisor=hypervisor_name(),
        vendor=line("/sys/class/dmi/id/sys_vendor"),
        product=line("/sys/class/dmi/id/product_name"),
        kvm_clock="kvm-clock" in clocks,
    )


def judge_platform(
    *, brand: str, flagged: bool, hypervisor: str, vendor: str, product: str, kvm_clock: bool
) -> dict[str, Any]:
    """Tell the platform from what the CPU and DMI say; a doubt about TCG counts as emulated.

    A guest below KVM whose CPU still bears QEMU's TCG brand (-cpu host) runs on a hypervisor that
    is itself emulated: nested, and emulated all the same.
    """
    on_kvm = kvm_clock or hypervisor.startswith("KVM")
    found: dict[str, Any] = {"platform": "metal", "nested": False}
    if hypervisor.startswith("TCG"):
        found.update(platform="emulated", platform_evidence="CPUID leaf says " + hypervisor)
    elif "TCG" in brand:
        why = "CPU model is " + brand + (", below KVM" if on_kvm else "")
        found.update(platform="emulated", nested=on_kvm, platform_evidence=why)
    elif vendor == "QEMU" and not on_kvm and not hypervisor:
        why = f"QEMU ({product or 'no product named'}) without a sign of KVM"
        found.update(platform="emulated", platform_evidence=why)
    elif flagged:
        why = f"the CPU flag hypervisor is set ({hypervisor or vendor or 'no vendor named'})"
        found.update(platform="virtual", platform_evidence=why)
    else:
        why = f"no hypervisor flag; DMI says {vendor or '-'} {product or '-'}"
        found.update(platform_evidence=why)
    return found


def hypervisor_name() -> str:
    """The hypervisor's signature (CPUID 0x40000000) as /dev/cpu/0/cpuid gives it, or nothing."""
    try:
        with Path("/dev/cpu/0/cpuid").open("rb", buffering=0) as device:
            device.seek(0x40000000)
            return device.read(16)[4:].decode("ascii", "replace").strip("\0 ")
    except OSError:
        found = re.search(r"Hypervisor detected: (.*)", output("dmesg") or "")
        return found.group(1).strip() if found else ""


def grubenv_problem(path: Path) -> str | None:
    """Why GRUB could not clear next_entry in its environment block, None when it could."""
    if not path.exists():
        return f"{path} does not exist"
    if path.is_symlink():
        return f"{path} is a symbolic link to {path.readlink()}"
    size = path.stat().st_size
    if size != 1024:
        return f"{path} has {size} bytes, GRUB wants 1024"
    found = mount_of(path)
    if found:
        device, kind = found
        if not device.startswith("/dev/"):
            return f"{path} is on {kind} ({device}), where GRUB does not look"
        if kind in ("btrfs", "zfs"):
            return f"GRUB cannot write to {kind}"
        if re.match(r"/dev/(md|mapper/|dm-)", device):
            return f"GRUB cannot write to {device} (RAID or device mapper)"
    return None


def mount_of(path: Path) -> list[str] | None:
    """Device and type of the filesystem that holds `path`."""
    best = None
    for item in (text("/proc/self/mounts") or "").splitlines():
        fields = item.split()
        where = fields[1].replace("\\040", " ")
        inside = where == "/" or str(path).startswith(where + "/")
        if inside and (best is None or len(where) >= len(best[0])):
            best = [where, fields[0], fields[2]]
    return best[1:] if best else None


def boot() -> dict[str, Any]:
    release = os_release()
    family = {release.get("ID", "")} | set(release.get("ID_LIKE", "").split())
    grub_dir = next((d for d in ("/boot/grub", "/boot/grub2") if Path(d).is_dir()), None)
    loader = "unknown"
    if grub_dir and Path(grub_dir, "grub.cfg").exists():
        if family & {"rhel", "fedora", "centos"}:
            loader = "grub2-rhel"
        elif any(name == "suse" or name.startswith(("opensuse", "sles")) for name in family):
            loader = "grub2-suse"
        elif family & {"debian", "ubuntu"}:
            loader = "grub2-debian"
    elif any(Path(d, "loader/loader.conf").exists() for d in ("/boot", "/efi", "/boot/efi")):
        loader = "systemd-boot"
    here = grub_dir or "/nonexistent"
    return {
        "grub_dir": grub_dir,
        "grub_cfg": text(here + "/grub.cfg"),
        "custom_cfg": text(here + "/custom.cfg"),
        "grubenv": coded(here + "/grubenv"),
        "grubenv_problem": grubenv_problem(Path(here, "grubenv")) if grub_dir else "no GRUB here",
        "default_grub": text("/etc/default/grub"),
        "free_bytes": free_bytes("/boot"),
        "kernels": sorted(
            str(path)
            for folder in ("/boot", "/boot/hotkit")
            for path in Path(folder).glob("vmlinuz-*")
        ),
        "initrds": bootimages.initrds(),
        "kernel_init_bytes": bootimages.kernel_init_bytes(),
        "loader": loader,
        "tools": {
            name: which(name) or which(name.replace("grub-", "grub2-"))
            for name in ("grub-reboot", "grub-editenv", "grub-mkconfig", "grub-script-check")
        },
    }


def free_bytes(path: str) -> int:
    try:
        usage = os.statvfs(path)
    except OSError:
        return 0
    return usage.f_bavail * usage.f_frsize


def state() -> Any:
    found = text("/var/lib/hotkit/state.json")
    if found is None:
        return None
    try:
        return json.loads(found)
    except ValueError:
        return {"unreadable": found[:2000]}


def lease() -> Any:
    """Who works on this machine: its lease and the seconds that it still holds; null without."""
    try:
        found = json.loads(text("/var/lib/hotkit/lease.json") or "null")
        left = found["until_epoch_s"] - time.time() if found else 0
        return dict(found, seconds_left=int(left)) if left > 0 else None
    except (ValueError, TypeError, KeyError):
        return None


def kernel() -> dict[str, Any]:
    """The running kernel's GNU build id, and the switches of hotkit's patches; null without."""
    try:
        notes = Path("/sys/kernel/notes").read_bytes()
    except OSError:
        notes = b""
    # An ELF note: name size 4, description size 20, type 3 (NT_GNU_BUILD_ID), "GNU", description.
    found = re.search(rb"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0(.{20})", notes, re.DOTALL)
    folder = Path("/sys/kernel/debug/hotkit")
    names = ("abi", "damon_mode", "page_idle_mode", "folio_referenced_mode")
    there = [name for name in names if os.access(str(folder / name), os.R_OK)]
    switches = {name: line(str(folder / name)) for name in there}
    return {"build_id": found.group(1).hex() if found else None, "switches": switches or None}


def gather() -> dict[str, Any]:
    """All facts; what cannot be read is null or empty, never a guess."""
    tables = "/sys/firmware/acpi/tables/"
    facts = {
        "schema_version": SCHEMA_VERSION,
        "hostname": platform.node(),
        "arch": platform.machine(),
        "kernel_release": platform.release(),
        "kernel": kernel(),
        "boot_id": line("/proc/sys/kernel/random/boot_id"),
        "cmdline": line("/proc/cmdline"),
        "uid": os.geteuid(),
        "python": platform.python_version(),
        "firmware_memmap": firmware_memmap(),
        "acpi": {name: coded(tables + name) for name in ("SRAT", "APIC", "SLIT")},
        "iomem": text("/proc/iomem") or "",
        "meminfo": text("/proc/meminfo") or "",
        "numactl": output("numactl", "-H"),
        "nodes": nodes(),
        "cpus": cpus(),
        "pmem": pmem(),
        "dmesg_memory": dmesg_memory(),
        "uptime_s": float((line("/proc/uptime") or "0").split()[0]),
        "os_release": os_release(),
        "efi": Path("/sys/firmware/efi").is_dir(),
        "secure_boot": secure_boot(),
        "boot": boot(),
        "required_mounts": required_mounts(),
        "state": state(),
        "lease": lease(),
        "commands_missing": [name for name in ("numactl", "dmesg") if which(name) is None],
    }
    facts.update(machine_kind())
    return facts


def main() -> None:
    """Print the facts."""
    json.dump(gather(), sys.stdout, sort_keys=True)
    sys.stdout.write("\n")
