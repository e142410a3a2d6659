"""What one guest lacks for being measured: the VM, its process on the host, and what is in it.

Facts (hotkit/agent/guestdoctor.py, and its host's vmdoctor.py and doctor.py) in, findings out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hotkit.core.doctor import judge
from hotkit.core.gravity import Finding, fine, problem, warning
from hotkit.core.guestspec import Guest, StartedGuest
from hotkit.core.labels import machine_label
from hotkit.core.pebsdoctor import guest_samples
from hotkit.core.units import MIB, format_size
from hotkit.core.verdicts import cpu_list
from hotkit.core.vmdoctor import tlb_counters

# QEMU itself, beside its guest's RAM.
QEMU_BYTES = 256 * MIB
HUGE_BYTES = 2 * MIB
_POOL = "hugepages/hugepages-2048kB/nr_hugepages"
# What the title says (platform), and what guest_samples says better (pmu).
_SAID_ELSEWHERE = ("platform", "pmu")


def judge_guest(
    guest: Guest,
    found: Mapping[str, Any],
    vm: Mapping[str, Any],
    host: Mapping[str, Any],
    way: str,
) -> tuple[Finding, ...]:
    """All findings, the gravest first.

    `found`: the guest's facts; `vm`, `host`: those of its host; `way`: where it is in the
    inventory, as words of `hotkit guest`.
    """
    findings = [*_state(guest, found, way), *_pins(guest, vm["cpus_online"])]
    if found["process"] is not None:
        findings += _process(found["process"])
    elif isinstance(guest, StartedGuest):
        findings += [*_files(found), *_memory(guest, vm, host), *_backing(guest, vm)]
    if found["inside"] is not None:
        findings += _inside(guest, found)
    return tuple(sorted(findings, key=lambda item: item.gravity))


def _state(guest: Guest, found: Mapping[str, Any], way: str) -> Iterator[Finding]:
    ours = isinstance(guest, StartedGuest)
    state, up = found["state"], f"hotkit guest up {way}"
    if state == "running":
        yield fine("guest-state", f"runs (process {found['pid']}), and its agent answers")
    elif state == "silent":
        yield problem(
            "guest-state",
            f"runs (process {found['pid']}), and does not answer by ssh: {found['silent']}",
            up,
        )
    elif state == "died":
        yield problem("guest-state", "was started in this boot of its host, and is gone", up)
    elif ours:
        yield warning(
            "guest-state", f"is down: nothing can be said of what is in it ({guest.describe()})", up
        )
    else:
        yield problem(
            "guest-state",
            f"is not there ({guest.describe()})",
            f"start the VM as whoever started it did, then {up}",
        )


def _files(found: Mapping[str, Any]) -> Iterator[Finding]:
    if found["no_disk"]:
        yield problem("guest-disk", found["no_disk"], "disk: a path on the host (docs/guests.md)")
    else:
        yield fine("guest-disk", "its disk is there")
    if found["no_kernel"]:
        why, fix = found["no_kernel"]
        yield problem("guest-kernel", why, fix or "kernel: a path on the host (docs/guests.md)")
    else:
        yield fine("guest-kernel", "its kernel is there")


def _memory(
    guest: StartedGuest, vm: Mapping[str, Any], host: Mapping[str, Any]
) -> Iterator[Finding]:
    """Whether the host has the RAM, and the nodes that it is bound to; of huge pages: _backing."""
    smaller = "stop services, or a smaller guest (memory: in hotkit_guests)"
    for number, wanted in sorted(_bound(guest).items()):
        node = host["nodes"].get(str(number))
        if node is None or not node["total"]:
            known = ", ".join(name for name, item in host["nodes"].items() if item["total"])
            yield problem(
                "guest-memory", f"the host has no memory in node {number}", f"host_node: {known}"
            )
        elif guest.backing != "hugetlb" and node["free"] < wanted:
            yield problem(
                "guest-memory",
                f"{format_size(wanted)} of node {number} are wanted, {format_size(node['free'])}"
                " are free there",
                smaller,
            )
    if guest.backing == "hugetlb":
        return
    there = vm["memory_available"]
    said = (
        f"{format_size(guest.memory_bytes)} are wanted, {format_size(there)} are available"
        " (MemAvailable)"
    )
    if there < guest.memory_bytes + QEMU_BYTES:
        yield problem("guest-memory", said, smaller)
    else:
        yield fine("guest-memory", said)


def _bound(guest: StartedGuest) -> dict[int, int]:
    """Bytes by node of the host, of what is bound to one."""
    found: dict[int, int] = {}
    for node in guest.nodes:
        if node.host_node is not None:
            found[node.host_node] = found.get(node.host_node, 0) + node.memory_bytes
    return found


def _backing(guest: StartedGuest, vm: Mapping[str, Any]) -> Iterator[Finding]:
    if guest.backing == "4k":
        yield fine("guest-backing", "backing 4k: its process gets no huge pages")
    elif guest.backing == "thp":
        thp = vm["thp"] or "not in this kernel"
        said = f"backing thp: /sys/kernel/mm/transparent_hugepage/enabled is {thp}"
        if vm["thp"] is None or "[never]" in thp:
            yield problem(
                "guest-backing", said, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
            )
        else:
            yield fine("guest-backing", said)
    else:
        yield from _huge(guest, vm["huge"])


def _huge(guest: StartedGuest, pools: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    bound = _bound(guest)
    wanted = {str(number): size for number, size in bound.items()}
    wanted["all"] = guest.memory_bytes
    short = False
    for name, size in wanted.items():
        pages = size // HUGE_BYTES
        pool = pools.get(name, {"total": 0, "free": 0})
        if pool["free"] >= pages:
            continue
        short = True
        folder = "/sys/kernel/mm" if name == "all" else f"/sys/devices/system/node/node{name}"
        yield problem(
            "guest-backing",
            f"backing hugetlb: {pages} pages of 2 MiB are wanted"
            + ("" if name == "all" else f" of node {name}")
            + f", {pool['free']} of {pool['total']} are free",
            f"echo {pool['total'] + pages - pool['free']} > {folder}/{_POOL}",
        )
    if not short:
        yield fine(
            "guest-backing",
            f"backing hugetlb: {guest.memory_bytes // HUGE_BYTES} pages of 2 MiB are wanted,"
            f" {pools['all']['free']} are free",
        )


def _pins(guest: Guest, online: Sequence[int]) -> Iterator[Finding]:
    pins = guest.cpu_pins if isinstance(guest, StartedGuest) else None
    if pins is None:
        return
    offline = sorted(set(pins) - set(online))
    if offline:
        yield problem(
            "guest-cpus",
            f"cpu_pins has CPUs that are not online: {cpu_list(offline)}"
            f" (online: {cpu_list(online)})",
            "cpu_pins: in hotkit_guests, of those that the layout leaves",
        )
    else:
        yield fine("guest-cpus", f"its CPUs are pinned to CPUs {', '.join(map(str, pins))}")


def _process(process: Mapping[str, Any]) -> Iterator[Finding]:
    exe = process["exe"]
    if process["seccomp"] in (None, "0") or exe.startswith("qemu"):
        yield fine("monitor", f"kvm-dirty and uffd-wp may make calls in its process ({exe})")
    else:
        yield warning(
            "monitor",
            f"{exe} has a seccomp filter (Seccomp: {process['seccomp']}), which would kill it for"
            " calls that are not its own: no kvm-dirty, no uffd-wp over it",
            "start it without: --seccomp false (cloud-hypervisor), --no-seccomp (Firecracker),"
            " --disable-sandbox (crosvm)",
        )
    if process["tracer"] not in (None, "0"):
        yield warning(
            "monitor",
            f"process {process['tracer']} traces it: kvm-dirty and uffd-wp cannot",
            f"kill {process['tracer']}, a debugger or strace",
        )
    if process["ring"]:
        yield warning(
            "dirty-ring",
            "QEMU uses KVM's dirty ring (dirty-ring-size= on its command line): kvm-dirty only"
            " by: ring",
            "settings: {by: ring} for kvm-dirty, or start it with -accel kvm alone",
        )
    if process["merging"]:
        yield warning(
            "guest-merged",
            f"KSM looks after its pages (ksm_merging_pages is {process['merging']}) and"
            " write-protects those that it merges",
            "echo 2 > /sys/kernel/mm/ksm/run",
        )


def _inside(guest: Guest, found: Mapping[str, Any]) -> Iterator[Finding]:
    inside = found["inside"]
    patched = (
        "kernel: hotkit in hotkit_guests, after hotkit provision with hotkit_kernel: host"
        if isinstance(guest, StartedGuest)
        else "install a package of hotkit kernel build in the guest"
    )
    for item in judge(inside["doctor"], machine_label(found["machine"])):
        if item.code not in _SAID_ELSEWHERE:
            at_home = item.code == "hotkit-kernel" and item.fix is not None
            yield replace(item, fix=patched) if at_home else item
    yield from tlb_counters(inside["tlb_counters"], "guest", patched)
    yield guest_samples(inside["pmu"], inside["doctor"]["pmus"])
