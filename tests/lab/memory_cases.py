"""Forecast against boot, from 256 MiB to 256 GiB; and the smallest layout that boots.

For `make soak`: each case takes a machine from its stock entry into a layout as a user would, with
`hotkit provision`, and keeps the pair of forecast and boot that `hotkit verify` made.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hotkit import kernel, lab
from hotkit.assets import asset
from hotkit.host.inventory import load_inventory
from hotkit.host.ssh import Ssh
from tests.lab import kernel_cases
from tests.lab.cases import LABEL, told

_MIB = 1 << 20
# Machines of the lab, and two more: all RAM on one node, and eight CPUs on two large nodes.
_MACHINES: dict[str, dict[str, Any]] = {
    "memory-one": {"nodes": [{"memory": "4G", "cpus": 8}]},
    "memory-large": {"nodes": [{"memory": "128G", "cpus": 4}, {"memory": "128G", "cpus": 4}]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCase:
    """A machine and a profile; `kernel` is what hotkit_kernel asks for."""

    machine: str
    profile: Mapping[str, Any]
    kernel: str | None = None


def _tiers(total: str, fast_share: str, **more: Any) -> dict[str, Any]:
    return {
        "total": total,
        "fast_share": fast_share,
        "fast": {"node": 0},
        "slow": {"node": 1},
        **more,
    }


def _alone(size: str, **more: Any) -> dict[str, Any]:
    return {"fast": {"node": 0, "size": size}, **more}


CASES = (
    MemoryCase(machine="lab-small", profile=_alone("256M", cpus=2)),
    MemoryCase(machine="lab-small", profile=_tiers("512M", "1/2", cpus=2)),
    MemoryCase(machine="lab-small", profile=_tiers("1G", "1/2", cpus=1, cpu_limit="nr_cpus")),
    MemoryCase(machine="lab-small", profile=_tiers("1536M", "1/3", cpus=2), kernel="lab"),
    MemoryCase(machine="memory-one", profile=_alone("1G", cpus=2)),
    MemoryCase(machine="memory-one", profile=_alone("2G", cpus=2, cpu_limit="nr_cpus")),
    MemoryCase(machine="memory-one", profile=_alone("4095M", cpus=8)),
    MemoryCase(machine="memory-large", profile=_tiers("16G", "1/5", cpus=4)),
    MemoryCase(machine="memory-large", profile=_tiers("16G", "1/5", cpus=2, cpu_limit="nr_cpus")),
    MemoryCase(machine="memory-large", profile=_tiers("64G", "1/4", cpus=4), kernel="lab"),
    MemoryCase(machine="memory-large",
               profile=_tiers("255G", "1/2", cpus=8, cpus_on="any")),
    MemoryCase(machine="memory-large", profile=_tiers("16G", "1/5", cpus=4, save=["hashes"])),
    MemoryCase(machine="lab-pmem", profile=_alone("1G", cpus=2, slow={"pmem": True, "size": "1G"})),
    MemoryCase(machine="lab-pmem", profile=_alone(
        "1G", cpus=2, slow={"pmem": "emulated", "node": 1, "size": "768M"})),
)  # fmt: skip


def campaign_case(number: int) -> dict[str, Any]:
    """One boot; on emulated PMEM also what a namespace takes, by where its struct pages lie."""
    wanted = CASES[number % len(CASES)]
    if wanted.kernel:
        kernel_cases.build(kernel.recipe(None, "lab"))
    with _machine(wanted.machine, wanted.profile, wanted.kernel) as inventory:
        host = provision(inventory, wanted.machine)
        case: dict[str, Any] = {
            "machine": wanted.machine,
            "profile": dict(wanted.profile),
            "label": LABEL,
            "status": host["status"],
            "sentence": host["sentence"],
        }
        pair = (host.get("verdict") or {}).get("memory")
        if host["status"] != "ok" or pair is None:
            return case | {"ok": False}
        case |= {"pair": pair, "ok": bool(pair["within"])}
        if (wanted.profile.get("slow") or {}).get("pmem") == "emulated":
            maps = namespace_costs(inventory, wanted.machine)
            case |= {"namespaces": maps, "ok": case["ok"] and all(item["ok"] for item in maps)}
    return case


# Its slow tier's namespace is taken away, then there is one of the other kind. The first time
# modules are loaded and caches filled: it is not counted. Pages on lists of CPUs are free.
_COST = r"""
set -e
used() { sync; echo 3 > /proc/sys/vm/drop_caches; sleep 1
         lists=$(awk '$1 == "count:" {c += 4 * $2} END {print c}' /proc/zoneinfo)
         awk -v l="$lists" '/MemTotal/ {t = $2} /MemFree/ {f = $2} END {print t - f - l}' \
             /proc/meminfo; }
made() { ndctl create-namespace --force --region="$1" --mode=fsdax --map="$2" >&2; }
gone() { name=$(ls -d /sys/bus/nd/devices/"$1"/namespace* | head -1)
         ndctl destroy-namespace --force "${name##*/}" >&2; }
dax=$(ls /sys/bus/dax/devices | head -1)
daxctl offline-memory "$dax" >&2 || true
daxctl reconfigure-device --human --mode=devdax --force "$dax" >&2
ndctl destroy-namespace --force all >&2
made "$1" mem; gone "$1"
for map in mem dev; do
    none=$(used)
    made "$1" $map
    echo "$map $(cat "/sys/bus/nd/devices/$1/size") $none $(used)"
    gone "$1"
done
"""


def namespace_costs(inventory: Path, name: str) -> list[dict[str, Any]]:
    """DRAM that an fsdax namespace takes, with its struct pages in DRAM and on itself."""
    way = load_inventory(inventory, name).host(name).way
    found = []
    legacy = str(Ssh(way).run(["sh", "-c", "ls -d /sys/bus/nd/devices/region*"]).stdout).split()
    said = str(Ssh(way).run(["sh", "-c", _COST, "sh", Path(legacy[-1]).name]).stdout)
    for line in said.splitlines():
        where, size, none, with_it = line.split()
        taken = (int(with_it) - int(none)) * 1024
        computed = int(size) // 64 if where == "mem" else 0
        found.append(
            {
                "map": where,
                "size_bytes": int(size),
                "taken_bytes": taken,
                "computed_bytes": computed,
                "ok": abs(taken - computed) < 3 * _MIB,
            }
        )
    return found


# On node 0 alone; every probe is a boot of its own.
_LOW_MIB, _HIGH_MIB, _STEP_MIB = 144, 256, 8


def smallest_case(number: int) -> dict[str, Any]:
    """Bisect the smallest layout of lab-small that boots; one below the range is refused."""
    name = "lab-small"
    case: dict[str, Any] = {"machine": name, "label": LABEL, "probes": []}
    with _machine(name, _alone(f"{_HIGH_MIB}M", cpus=2), None) as inventory:
        bad, good = _LOW_MIB, _HIGH_MIB
        while good - bad > _STEP_MIB:
            size = (good + bad) // 2 // _STEP_MIB * _STEP_MIB
            row = _probe(inventory, name, size)
            case["probes"].append(row)
            if row["status"] == "ok":
                good = size
            else:
                bad = size
            lab.reset(name, _quiet)
        ends = {row["size_mib"]: row for row in case["probes"]}
        smallest = ends.get(good) or _probe(inventory, name, good)
        need = smallest["need_bytes"]
        case["smallest"] = smallest
        inside = need["least"] <= smallest["memtotal_bytes"] <= need["most"]
        lab.reset(name, _quiet)
        # Below the range: refused; by force it boots once, and comes back.
        below = smallest["size_mib"] - (smallest["memtotal_bytes"] - need["least"]) // _MIB - 16
        refused = provision(inventory, name, _alone(f"{below}M", cpus=2))
        forced = provision(inventory, name, _alone(f"{below}M", cpus=2), "--force")
        case |= {
            "inside": inside,
            "below_mib": below,
            "refused": refused["sentence"],
            "forced": [forced["status"], forced["sentence"]],
            "ok": inside and refused["status"] == "refused" and forced["status"] == "fell-back",
        }
    return case


def _probe(inventory: Path, name: str, size_mib: int) -> dict[str, Any]:
    host = provision(inventory, name, _alone(f"{size_mib}M", cpus=2), "--force")
    said = host["memory"]
    return {
        "size_mib": size_mib,
        "status": host["status"],
        "ending": host.get("ending"),
        "fit": said["fit"],
        "memtotal_bytes": said["memtotal_bytes"],
        "need_bytes": said["need_bytes"],
    }


def provision(
    inventory: Path, name: str, profile: Mapping[str, Any] | None = None, *words: str
) -> dict[str, Any]:
    """`hotkit provision`, with another profile if one is given; what it says of the host."""
    if profile is not None:
        _variables(inventory, name, profile, None)
    _, host = told("provision", inventory, name, *words)
    assert host["status"] != "crashed", host["sentence"]
    return host


@contextmanager
def _machine(name: str, profile: Mapping[str, Any], wanted: str | None) -> Iterator[Path]:
    """An inventory with that machine, and the machine up, in a lab of its own."""
    with tempfile.TemporaryDirectory(prefix="hotkit-memory-") as folder:
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        inventory = Path(folder) / "lab"
        shutil.copytree(asset("inventories") / "lab", inventory)
        for other, machine in _MACHINES.items():
            (inventory / "host_vars" / f"{other}.yml").write_text(
                yaml.safe_dump({"hotkit_machine": machine, "hotkit_profile": dict(_alone("1G"))})
            )
        hosts = [item.stem for item in sorted((inventory / "host_vars").glob("*.yml"))]
        (inventory / "hosts.yml").write_text(
            "lab:\n  hosts:\n" + "".join(f"    {host}:\n" for host in hosts)
        )
        _variables(inventory, name, profile, wanted)
        lab.up(lab.known_machine(name, inventory), _quiet)
        try:
            yield inventory
        finally:
            lab.down(name, _quiet)


def _variables(inventory: Path, name: str, profile: Mapping[str, Any], wanted: str | None) -> None:
    file = inventory / "host_vars" / f"{name}.yml"
    known = yaml.safe_load(file.read_text())
    known.pop("hotkit_kernel", None)
    known["hotkit_profile"] = {"slow": None, **profile} if "slow" not in profile else dict(profile)
    if wanted:
        known["hotkit_kernel"] = wanted
    file.write_text(yaml.safe_dump(known))


def _quiet(name: str, text: str) -> None:
    """Progress that nobody watches."""
