"""How far each node's memory is from each node's CPUs, measured, and what the machine says itself.

`agent.pyz tiers --binary HOTSET` runs `hotset probe` (workloads/src/probe.c) for every node with
CPUs and every node with memory. Rounds go over all pairs before any is repeated, so that a drift of
the machine does not land on one of them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hotkit.agent.gather import line, text
from hotkit.agent.platform import describe
from hotkit.agent.protocol import AgentError
from hotkit.agent.workloads.llc import llc_bytes

NODES = Path("/sys/devices/system/node")
ROUNDS = 3
_REPEATS = 3
_TIMEOUT_S = 600
_LEAST_BYTES = 64 << 20
_MOST_BYTES = 1 << 30
# Every access of an emulated CPU takes a hundred times as long, and no cache is there to exceed.
_EMULATED_BYTES = 16 << 20
_LOADS = 1 << 20


def probe_tiers(emit: Callable[..., Any], binary: str) -> None:
    """Emit one `probe` event with `tiers`: rows, the bytes used, and `says` (see what_it_says)."""
    emulated = describe()["platform"] == "emulated"
    memory = [node for node in _listed("has_memory") if _free_bytes(node) > 0]
    cpus = {node: cpu for node in _listed("has_cpu") for cpu in [_usable_cpu(node)] if cpu >= 0}
    if not memory or not cpus:
        raise AgentError(f"{NODES} shows no node with CPUs, or none with memory")
    size = _footprint(min(_free_bytes(node) for node in memory), emulated)
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for _ in range(ROUNDS):
        for node, cpu in sorted(cpus.items()):
            for other in memory:
                found = dict(_run(binary, cpu, other, size), cpu_node=node)
                row = rows.setdefault((node, other), found)
                if row is not found:
                    row["latency_ns"] += found["latency_ns"]
                    row["read_mib_s"] += found["read_mib_s"]
                    row["pages_on_node"] = min(row["pages_on_node"], found["pages_on_node"])
    emit(
        "probe",
        tiers={"bytes": size, "llc_bytes": llc_bytes(), "rows": list(rows.values())},
        says=says(),
    )


def says() -> list[dict[str, str]]:
    """What the machine says about its memory: `what`, `finding` (yes, no, unknown), `evidence`."""
    return [sub_numa(), memory_mode(), *memory_side_caches(), *hmat()]


def sub_numa(nodes: Path = NODES, cpus: Path = Path("/sys/devices/system/cpu")) -> dict[str, str]:
    """Sub-NUMA clustering: more nodes with CPUs than packages."""
    packages: dict[str, set[str]] = {}
    for node in sorted(nodes.glob("node[0-9]*")):
        for cpu in node.glob("cpu[0-9]*"):
            package = line(str(cpus / cpu.name / "topology/physical_package_id"))
            if package:
                packages.setdefault(package, set()).add(node.name)
    if not packages:
        return _saying("sub-NUMA clustering", "unknown", "the machine does not say")
    words = "; ".join(
        "package {}: {}".format(key, ", ".join(sorted(value)))
        for key, value in sorted(packages.items())
    )
    split = any(len(value) > 1 for value in packages.values())
    return _saying("sub-NUMA clustering", "yes" if split else "no", words)


def memory_mode(
    nd: Path = Path("/sys/bus/nd/devices"), dmi: Path = Path("/sys/firmware/dmi/entries")
) -> dict[str, str]:
    """PMEM in Memory Mode: modules of persistent memory that the firmware lends out as volatile.

    SMBIOS type 17 (DSP0134, 7.18): technology at 0x28, non-volatile and volatile bytes at 0x34
    and 0x3C. Without it a region in /sys/bus/nd shows App Direct mode, of that region only.
    """
    what = "PMEM in Memory Mode"
    volatile = persistent = 0
    for entry in sorted(dmi.glob("17-*")):
        try:
            raw = (entry / "raw").read_bytes()
        except OSError:
            continue
        if len(raw) < 0x44 or raw[0x28] != 7:  # 7: Intel Optane persistent memory
            continue
        persistent += _capacity(raw[0x34:0x3C])
        volatile += _capacity(raw[0x3C:0x44])
    if volatile or persistent:
        words = f"SMBIOS: {volatile >> 20} MiB volatile, {persistent >> 20} MiB persistent"
        return _saying(what, "yes" if volatile else "no", words)
    regions = [item.name for item in nd.glob("region*")] if nd.is_dir() else []
    if regions:
        return _saying(what, "no", "/sys/bus/nd: " + ", ".join(sorted(regions)) + " (App Direct)")
    return _saying(what, "unknown", "the machine does not say")


def memory_side_caches(nodes: Path = NODES) -> list[dict[str, str]]:
    """Caches in front of a node's memory (HMAT; Documentation/admin-guide/mm/numaperf.rst)."""
    found = []
    for index in sorted(nodes.glob("node[0-9]*/memory_side_cache/index*")):
        size = line(str(index / "size"))
        words = f"{index.parent.parent.name}: {index.name} of {size} bytes"
        found.append(_saying("memory-side cache", "yes", words))
    return found or [_saying("memory-side cache", "unknown", "the machine does not say")]


def hmat(nodes: Path = NODES) -> list[dict[str, str]]:
    """Latency and bandwidth as the firmware's HMAT claims them, for the nearest CPUs."""
    found = []
    for access in sorted(nodes.glob("node[0-9]*/access0/initiators")):
        latency = line(str(access / "read_latency"))
        bandwidth = line(str(access / "read_bandwidth"))
        if latency not in ("", "0"):
            words = f"{access.parent.parent.name}: {latency} ns, {bandwidth} MiB/s for reads"
            found.append(_saying("HMAT", "yes", words))
    return found or [_saying("HMAT", "unknown", "the machine does not say")]


def _saying(what: str, finding: str, evidence: str) -> dict[str, str]:
    return {"what": what, "finding": finding, "evidence": evidence}


def _capacity(field: bytes) -> int:
    """A QWORD of SMBIOS in bytes; all ones means that it is not known."""
    value = int.from_bytes(field, "little")
    return 0 if value == (1 << 64) - 1 else value


def _footprint(free_bytes: int, emulated: bool) -> int:
    """Four times the last-level cache, as far as a quarter of the smallest node's free memory."""
    if emulated:
        wanted = _EMULATED_BYTES
    else:
        wanted = min(max(4 * (llc_bytes() or 0), _LEAST_BYTES), _MOST_BYTES)
    return max(1 << 20, min(wanted, free_bytes // 4) & ~((1 << 20) - 1))


def _run(binary: str, cpu: int, node: int, size: int) -> dict[str, Any]:
    argv = [binary, "probe", "--cpu", str(cpu), "--node", str(node), "--size", str(size)]
    argv += ["--repeats", str(_REPEATS), "--loads", str(min(_LOADS, size // 64))]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AgentError(f"probing node {node} from CPU {cpu}: {error}") from error
    if done.returncode != 0:
        said = done.stderr.strip() or f"exit status {done.returncode}"
        raise AgentError(f"probing node {node} from CPU {cpu}: {said}")
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def _listed(name: str) -> list[int]:
    """The nodes of has_cpu or has_memory, a list like "0-1,4"."""
    found: list[int] = []
    for part in line(str(NODES / name)).split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            found += range(int(first), int(last or first) + 1)
    return found


def _usable_cpu(node: int) -> int:
    """The first CPU of a node that we may run on, -1 when there is none."""
    allowed = os.sched_getaffinity(0)
    own = {int(p.name[3:]) for p in (NODES / f"node{node}").glob("cpu[0-9]*")}
    return min(own & allowed, default=-1)


def _free_bytes(node: int) -> int:
    for row in (text(str(NODES / f"node{node}/meminfo")) or "").splitlines():
        if " MemFree:" in row:
            return int(row.split()[-2]) << 10
    return 0
