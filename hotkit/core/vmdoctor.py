"""What a host lacks for guests, and for looking at them from outside: raw facts in, findings out.

The facts are those of hotkit/agent/vmdoctor.py. docs/host-against-guest.md says what each finding
means for the comparison of trackers in a guest with those in its host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hotkit.core.gravity import Finding, fine, problem, warning
from hotkit.core.guestspec import Guest, StartedGuest
from hotkit.core.kvmdoctor import kvm_findings
from hotkit.core.labels import Label, Platform
from hotkit.core.pebsdoctor import host_samples
from hotkit.core.units import GIB, format_size

# Keys and a console's log, and what a guest writes while it runs.
LEAST_SPACE_BYTES = GIB
QEMU = "qemu-system-x86_64"
PATCHED = "hotkit_kernel: host in the inventory, then hotkit provision (docs/kernel.md)"
_USES = {
    "systemd-run": "guests run in units of it",
    "ssh": "the way into guests",
    "ssh-keygen": "makes their keys",
}


def judge_vms(
    vm: Mapping[str, Any], doctor: Mapping[str, Any], label: Label, guests: Sequence[Guest]
) -> tuple[Finding, ...]:
    """All findings on a host, the gravest first. `doctor`: its other facts; `label`: what it is."""
    found = [
        *kvm_findings(vm, label.platform is Platform.METAL),
        *_nesting(label),
        *_flushes(vm, doctor),
        *_counters(vm, doctor),
        *_programs(vm, guests),
        *_space(vm),
        *_habits(vm, doctor),
        *_reach(vm),
        *host_samples(vm, doctor["pmus"]),
    ]
    return tuple(sorted(found, key=lambda item: item.gravity))


def _nesting(label: Label) -> Iterator[Finding]:
    if label.platform is Platform.METAL:
        yield fine("nesting", f"this host is metal, its guests are not nested ({label.evidence})")
        return
    yield warning(
        "nesting",
        f"this host is itself {label} ({label.evidence}): its guests are nested, what they cost is"
        " not what they cost on metal",
        "metal, for costs; here it is seen that trackers work",
    )


def _flushes(vm: Mapping[str, Any], doctor: Mapping[str, Any]) -> Iterator[Finding]:
    modes = [name for name in doctor["hotkit_kernel"] or {} if name.endswith("_mode")]
    if modes:
        yield fine(
            "vm-flush",
            "scans over a VM can flush: primary, and primary+secondary"
            f" (/sys/kernel/debug/hotkit: {', '.join(modes)})",
        )
    elif doctor["debugfs"]:
        yield warning(
            "vm-flush",
            f"whether scans over a VM can flush cannot be seen: {doctor['debugfs'][0]}",
            doctor["debugfs"][1],
        )
    else:
        yield warning(
            "vm-flush",
            f"{doctor['kernel_release']} is a stock kernel: scans over a VM have flush: stock only"
            " (no /sys/kernel/debug/hotkit)",
            PATCHED,
        )
    option = "KVM_ELIDE_TLB_FLUSH_IF_YOUNG"
    said = vm["options"].get(option)
    if said == "y":
        yield warning(
            "kvm-flush",
            f"KVM leaves out the flush that a scan asks it for (CONFIG_{option}=y in"
            f" {vm['config']}): flush: primary+secondary over a VM will be no result",
            "a kernel without that option, of 6.12 or earlier (hotkit kernel list); " + PATCHED,
        )
    elif said is not None:
        yield fine(
            "kvm-flush",
            f"KVM flushes when a scan asks it to (no CONFIG_{option} in {vm['config']})",
        )
    else:
        yield warning(
            "kvm-flush",
            f"the kernel's configuration is not here, which has CONFIG_{option} where KVM leaves"
            " out flushes",
            f"put it at /boot/config-{doctor['kernel_release']}; a run in which KVM counted no"
            " flush is refused anyhow",
        )


def _counters(vm: Mapping[str, Any], doctor: Mapping[str, Any]) -> Iterator[Finding]:
    missing = [name for name in ("tlb_flush", "remote_tlb_flush") if name not in vm["kvm_counters"]]
    if missing:
        yield warning(
            "kvm-counters",
            f"KVM's flushes are not counted: no {', '.join(missing)} in /sys/kernel/debug/kvm",
            doctor["debugfs"][1] if doctor["debugfs"] else "modprobe kvm_intel (or kvm_amd)",
        )
    else:
        yield fine(
            "kvm-counters",
            "KVM counts its flushes (/sys/kernel/debug/kvm/tlb_flush, remote_tlb_flush)",
        )
    yield from tlb_counters(vm["tlb_counters"], "host", PATCHED)


def tlb_counters(there: Sequence[str], where: str, fix: str) -> Iterator[Finding]:
    """Whether the kernel counts its own flushes; `where` is host or guest."""
    if there:
        yield fine("tlb-counters", f"/proc/vmstat counts flushes ({', '.join(there)})")
        return
    yield warning(
        "tlb-counters",
        f"/proc/vmstat has no nr_tlb_* (CONFIG_DEBUG_TLBFLUSH): the columns {where} remote and"
        f" {where} local of the table of flushes will be empty",
        "a kernel with CONFIG_DEBUG_TLBFLUSH=y, as hotkit's is: " + fix,
    )


def _programs(vm: Mapping[str, Any], guests: Sequence[Guest]) -> Iterator[Finding]:
    ours = not guests or any(isinstance(guest, StartedGuest) for guest in guests)
    path, version = vm["programs"][QEMU], vm["qemu_version"]
    if path:
        yield fine("qemu", f"QEMU is {path}, version {version or 'unknown'}")
    elif ours:
        yield problem(
            "qemu", f"{QEMU} is not in PATH: hotkit starts guests with it",
            "apt-get install qemu-system-x86",
        )  # fmt: skip
    else:
        yield fine("qemu", "no QEMU, and none is needed: somebody else starts the guests")
    for name, use in _USES.items():
        where = vm["programs"][name]
        if where:
            yield fine("guest-tools", f"{name} is {where}")
        elif ours or name == "ssh":
            package = "systemd" if name == "systemd-run" else "openssh-client"
            yield problem(
                "guest-tools", f"{name} is not in PATH: {use}", f"apt-get install {package}"
            )


def _space(vm: Mapping[str, Any]) -> Iterator[Finding]:
    for place in vm["space"]:
        said = f"{format_size(place['free'])} are free for {place['path']}"
        if not place["writable"]:
            yield problem(
                "guest-space", f"{place['path']} cannot be written to",
                f"mount -o remount,rw what holds {place['path']}",
            )  # fmt: skip
        elif place["free"] < LEAST_SPACE_BYTES:
            yield warning(
                "guest-space",
                f"{said}: guests' consoles, and what they write to their disks, go there",
                f"df -h {place['path']} says what is full",
            )
        else:
            yield fine("guest-space", said)


def _habits(vm: Mapping[str, Any], doctor: Mapping[str, Any]) -> Iterator[Finding]:
    if vm["ksm_run"] == "1":
        yield warning(
            "guest-ksm",
            "KSM runs (/sys/kernel/mm/ksm/run is 1): it write-protects pages of guests, all but"
            " those of guests that hotkit starts",
            "echo 2 > /sys/kernel/mm/ksm/run",
        )
    elif vm["ksm_sharing"]:
        yield warning(
            "guest-ksm",
            f"KSM does not run, but {vm['ksm_sharing']} pages are still merged"
            " (/sys/kernel/mm/ksm/pages_sharing)",
            "echo 2 > /sys/kernel/mm/ksm/run",
        )
    else:
        said = "is not in this kernel" if vm["ksm_run"] is None else "has merged nothing"
        yield fine("guest-ksm", f"KSM {said}")
    balancing = doctor["knobs"].get("numa_balancing")
    if balancing in (None, "0"):
        yield fine("guest-numa-balancing", "NUMA balancing takes nothing from guests: it is off")
    else:
        yield warning(
            "guest-numa-balancing",
            f"NUMA balancing (kernel.numa_balancing is {balancing}) takes pages from a VM's"
            " process: KVM drops its entries, and the guest exits for each",
            "sysctl kernel.numa_balancing=0 (a sweep does so while it measures)",
        )


def _reach(vm: Mapping[str, Any]) -> Iterator[Finding]:
    if vm["no_ptrace"]:
        why, fix = vm["no_ptrace"]
        yield warning("ptrace", f"kvm-dirty and uffd-wp reach into no VM's process: {why}", fix)
    else:
        yield fine("ptrace", "a VM's process can be traced: kvm-dirty, uffd-wp")
    if vm["no_frames"]:
        why, fix = vm["no_frames"]
        yield warning("pagemap", f"idlepage does not find a VM's pages: {why}", fix)
    else:
        yield fine("pagemap", "/proc/PID/pagemap shows frames")
