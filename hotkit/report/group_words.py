"""The sentences of a sweep of several parts: the verdict, what was left out, how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from hotkit.core.analysis import A_A_LEVEL
from hotkit.core.group import Column
from hotkit.report.group_tables import GroupLike, head, labels_of
from hotkit.report.sweep_guest import clock_warning
from hotkit.report.sweep_verdict import PLATFORMS, VerdictWords

OVER_NOTE = (
    "over boots: one estimate per boot, their mean with t over boots; over hosts: of each host the"
    " mean of its boots, then t over hosts. p is that t's, corrected for the arms of the column"
    " (Holm); the intervals are not"
)
MATRIX_NOTE = (
    "a figure of one boot has the interval over its blocks and says nothing about the next boot;"
    " columns stand side by side: layouts and workloads are never averaged"
)


def group_verdict(group: GroupLike) -> VerdictWords:
    """How many parts can be trusted, then what is wrong with each other one."""
    total = len(group.parts)
    trusted = sum(part.trusted for part in group.parts)
    lines = [f"{trusted} of {total} parts are trustworthy"]
    for part in group.parts:
        if part.result is None:
            lines.append(f"- {part.name}: {part.reason}")
        elif not part.trusted:
            lines.append(f"- {part.name}: NOT TRUSTWORTHY: {part.result.analysis.untrusted[0]}")
        elif not part.defined:
            arms = [arm for arm in part.result.analysis.arms if arm.undefined]
            lines += [f"- {part.name}: {arm.arm}: {arm.undefined}" for arm in arms]
    for part in group.parts:
        if part.result and (warning := clock_warning(part.result.analysis)):
            lines.append(f"- {part.name}: {warning}")
    measured = sum(part.result is not None for part in group.parts)
    if trusted < measured:
        lines.append(
            "only trustworthy parts are in the figures over boots and hosts; one sound part in"
            f" {round(1 / A_A_LEVEL)} is refused by its A/A comparison, by construction: of"
            f" {measured}, {A_A_LEVEL * measured:.2g} are to be expected"
        )
    lines += [PLATFORMS[platform] for platform in {it.platform: 0 for it in labels_of(group)}]
    if not group.trusted:
        title, kind = "NOT TRUSTWORTHY", "untrusted"
    elif not group.defined:
        title, kind = "UNDEFINED", "undefined"
    else:
        title, kind = "trustworthy", "trusted"
    return VerdictWords(title=title, kind=kind, lines=tuple(lines))


def column_lines(column: Column) -> list[str]:
    """Why a figure has no interval over boots or hosts, and what is not in it."""
    said = []
    # Of a column of one part the matrix says it.
    several = len(column.parts) > 1
    why = dict.fromkeys(arm.slowdown.undefined for arm in column.arms if arm.each)
    for reason in why:
        if reason and several:
            arms = [arm.arm for arm in column.arms if arm.slowdown.undefined == reason and arm.each]
            names = "" if len(arms) == len(column.arms) else f"{', '.join(arms)}: "
            said.append(f"{head(column)}: {names}no interval: {reason}")
    for one in (*column.left_out, *(it for arm in column.arms for it in arm.left_out)):
        arm = f", arm {one.arm}" if one.arm else ""
        said.append(f"{head(column)}: left out: {one.part}{arm}: {one.reason}")
    return said


def reproduce_group(group: GroupLike) -> dict[str, Any]:
    """The commands that run the whole sweep again; its parts have their hashes."""
    document: Mapping[str, Any] = group.document or {}
    hosts = dict.fromkeys(str(part.part["host"]) for part in group.parts)
    where = ["--local"]
    if document.get("inventory"):
        where = ["--inventory", str(document["inventory"]), "--limit", ",".join(hosts)]
    # JSON is YAML: the description goes through unchanged, its numbers too.
    extract = (
        'import json, sys; json.dump(json.load(open(sys.argv[1]))["description"],'
        " sys.stdout, indent=1)"
    )
    path = str(group.folder)
    return {
        "hotkit": document.get("hotkit"),
        "description_file": document.get("description_file"),
        "description": document.get("description"),
        "commands": [
            shlex.join(["python3", "-c", extract, f"{path}/sweep.json"]) + " > again.yml",
            shlex.join(["hotkit", "sweep", "again.yml", *where, "--out", "again"]),
        ],
    }
