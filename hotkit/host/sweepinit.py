"""The text of a new SWEEP.yml: a template, a workload, and each tracker's settings as comments."""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import Setting, rules_of
from hotkit.assets import data
from hotkit.host.armspec import OF_A_VM
from hotkit.host.workloadspec import recipes
from hotkit.host.yamlsrc import read_yaml

# Of hotkit's own, beside the recipes.
KINDS = ("hotset", "zipf")
_OTHER_WORK = {"hotset": "{weight: 99}", "zipf": "{theta: 0.5}"}
_WIDTH = 100
_COLUMN = 29


def workloads() -> list[str]:
    """What `hotkit sweep init --workload` takes."""
    return [*KINDS, *recipes()]


def new_description(name: str, trackers: Sequence[str], workload: str) -> str:
    """The text of a description in a file called `name`, for these trackers and this workload.

    KeyError for a tracker or workload that there is not.
    """
    other_work = _OTHER_WORK.get(workload, "{most_s: 3600}")
    in_guest = OF_A_VM in trackers
    arms = "\n\n".join(_arm(tracker, other_work, in_guest) for tracker in trackers)
    others = ", ".join(tracker for tracker in TRACKERS if tracker not in trackers) or "none"
    others = "\n".join(_folded(f"# Trackers beside these: {others}."))
    text = _part("sweep").replace("@workload@\n", _workload(workload))
    text = text.replace("@arms@", arms).replace("@others@", others)
    text = text.replace("@guest@", "guest: g1" if in_guest else "#guest: g1")
    return text.replace("@file@", name)


def _part(name: str) -> str:
    return (data("sweep-init") / f"{name}.yml").read_text()


def _workload(name: str) -> str:
    if name in KINDS:
        return _part(name).replace("@common@\n", _part("common"))
    if name not in recipes():
        raise KeyError(name)
    path = data("workloads") / f"{name}.yml"
    recipe = read_yaml(path).data
    about = itertools.takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
    lines = [
        *about,
        f"# Needs: {recipe['needs']}.",
        "workload:",
        f"  recipe: {name}",
        "  # Words of its commands; those that are not given stay as they are here.",
        f"  #values: {_flow(recipe['values'])}",
        *([f"  #env: {_flow(recipe['env'])}"] if "env" in recipe else []),
        f"  #within_s: {recipe.get('within_s', 60)}".ljust(_COLUMN) + "# s until it is populated",
        f"  #most_s: {recipe.get('most_s', 1800)}".ljust(_COLUMN) + "# s that the work may take",
    ]
    return "\n".join(folded for line in lines for folded in _folded(line)) + "\n"


def _folded(line: str, indent: str = "") -> list[str]:
    """A comment that is too long on several lines; a key stays on one."""
    if not line.startswith("# "):
        return [line]
    words = textwrap.wrap(line[2:], _WIDTH - 2 - len(indent), break_on_hyphens=False)
    return [f"{indent}# {part}" for part in words]


def _flow(values: Mapping[str, Any]) -> str:
    """A mapping in one line: JSON's quotes are YAML's."""
    return "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in values.items()) + "}"


def _arm(tracker: str, other_work: str, in_guest: bool) -> str:
    """An arm; `in_guest`: the description has a guest, so that every arm has a scope."""
    kind = TRACKERS[tracker]
    scope = "host" if tracker == OF_A_VM else "guest"
    lines = [
        *_folded(f"# {tracker}: {kind.how}.", "  "),
        f"  # Examined: {kind.units['examined']}; positive: {kind.units['positive']}.",
        f"  - tracker: {tracker}",
        f"    #name: my-{tracker}",
        f"    {'' if in_guest else '#'}scope: {scope}".ljust(_COLUMN)
        + "# with `guest` only: guest, host, or [guest, host] for an arm of each",
        "    #settings:",
    ]
    for name, setting in rules_of(kind).items():
        lines += _setting(name, setting)
    lines += [
        "    # Other parts of the workload in this arm: what is compared then is the work, too.",
        f"    #workload: {other_work}",
    ]
    return "\n".join(lines)


def _setting(name: str, setting: Setting) -> list[str]:
    """The key with its default, and what it means: beside it, or above where that is too long."""
    meaning = setting.help
    if any(choice not in meaning for choice in setting.choices):
        meaning += f" ({', '.join(setting.choices)})"
    key = f"      #{name}: {json.dumps(setting.default)}"
    beside = f"{key.ljust(_COLUMN)} # {meaning}"
    if len(beside) <= _WIDTH:
        return [beside]
    return [*_folded(f"# {meaning}", "      "), key]
