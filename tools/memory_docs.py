"""Writes the tables of docs/memory-forecast.md from docs/evidence/; a test compares them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "docs" / "evidence"
DOCS = ROOT / "docs" / "memory-forecast.md"
BEGIN, END = "<!-- memory: generated -->\n", "<!-- memory: end -->"
_MIB = 1 << 20


def render(boots: Mapping[str, Any], smallest: Mapping[str, Any]) -> str:
    """The tables, for the place between the two marks."""
    return f"{_boots(boots)}\n{_namespaces(boots)}\n{_smallest(smallest)}"


def page(text: str, tables: str) -> str:
    """The page with new tables. Raises ValueError when it has no place for them."""
    head, _, rest = text.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        raise ValueError(f"{DOCS.name}: {BEGIN.strip()} ... {END} is missing")
    return head + BEGIN + tables + END + tail


def _origin(evidence: Mapping[str, Any], label: str) -> str:
    return (
        f"**{label}**, {evidence['date']}, commit {evidence['commit']}, {evidence['machine']}; "
        f"`{evidence['command']}`: {evidence['result']['held']} of {evidence['result']['cases']} "
        "held.\n\n"
    )


def _boots(evidence: Mapping[str, Any]) -> str:
    text = "### Forecast and boot\n\n" + _origin(evidence, evidence["cases"][0]["label"])
    text += (
        "| machine | layout | kernel | MemTotal per node (MiB) | off by | used | foretold |"
        " within |\n" + "|---" * 8 + "|\n"
    )
    for case in evidence["cases"]:
        pair = case.get("pair")
        if pair is None:
            text += f"| {case['machine']} | {case['sentence']} | | | | | | no |\n"
            continue
        nodes = ", ".join(
            f"{node}: {found / _MIB:.0f}" for node, (_, found) in pair["memtotal_bytes"].items()
        )
        said, found = pair["used_bytes"]
        text += (
            f"| {case['machine']} | {_profile(case['profile'])} | {pair['kernel_release']} |"
            f" {nodes} | {pair['memtotal_error']:+.2%} | {found / _MIB:.0f} | {said / _MIB:.0f} |"
            f" {'yes' if pair['within'] else '**no**'} |\n"
        )
    return text


def _profile(profile: Mapping[str, Any]) -> str:
    """What distinguishes a case, in a few words."""
    fast, slow = profile.get("fast") or {}, profile.get("slow") or {}
    size = f"{profile['total']}, fast {profile['fast_share']}" if "total" in profile else ""
    parts = [size or f"{fast['size']} on node 0"]
    if slow.get("pmem"):
        kind = "emulated PMEM" if slow["pmem"] == "emulated" else "PMEM"
        parts.append(f"{slow['size']} of {kind}")
    parts.append(f"{profile.get('cpu_limit', 'maxcpus')}={profile['cpus']}")
    parts += [f"save: {item}" for item in profile.get("save", ())]
    return ", ".join(parts)


def _namespaces(evidence: Mapping[str, Any]) -> str:
    text = "### What a namespace takes from DRAM\n\n"
    text += "An fsdax namespace on emulated PMEM (`memmap=nn!ss`), in the last of these boots.\n\n"
    text += "| struct pages in | size (MiB) | taken (MiB) | computed (MiB) |\n|---|---|---|---|\n"
    for case in evidence["cases"]:
        for item in case.get("namespaces", ()):
            place = "DRAM (`--map=mem`)" if item["map"] == "mem" else "itself (`--map=dev`)"
            sizes = (item[key] / _MIB for key in ("size_bytes", "taken_bytes", "computed_bytes"))
            text += f"| {place} | {' | '.join(f'{size:.1f}' for size in sizes)} |\n"
    return text


def _smallest(evidence: Mapping[str, Any]) -> str:
    (case,) = evidence["cases"]
    text = "### The smallest layout that boots\n\n" + _origin(evidence, case["label"])
    text += "| RAM kept (MiB) | MemTotal (MiB) | foretold | what came |\n|---|---|---|---|\n"
    for row in sorted(case["probes"], key=lambda item: item["size_mib"]):
        came = "boots" if row["status"] == "ok" else f"{row['status']}: {row['ending']}"
        text += (
            f"| {row['size_mib']} | {row['memtotal_bytes'] / _MIB:.0f} | {row['fit']} | {came} |\n"
        )
    need = {key: value / _MIB for key, value in case["smallest"]["need_bytes"].items()}
    return text + (
        f"\nForetold: {need['least']:.0f} to {need['most']:.0f} MiB of MemTotal, likely "
        f"{need['likely']:.0f}; the smallest that boots has "
        f"{case['smallest']['memtotal_bytes'] / _MIB:.0f}. A layout of {case['below_mib']} MiB is"
        f' refused ("{case["refused"]}"), and by force {case["forced"][0]}:'
        f' "{case["forced"][1]}"\n'
    )


def current() -> str:
    """The page as the evidence has it."""
    boots, smallest = (
        json.loads((EVIDENCE / f"{name}.json").read_text())
        for name in ("memory-boots", "smallest-layout")
    )
    return page(DOCS.read_text(), render(boots, smallest))


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        DOCS.write_text(current())
    else:
        sys.stdout.write(current())
