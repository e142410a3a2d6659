"""Filters: thin doors from a playbook to hotkit's core. Nothing is computed or quoted here.

Ansible forks for every task of every host, and a fork whose task names any filter loads this file:
so each filter imports what it needs itself (all of it here took two thirds of a play's CPU time).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

try:
    from hotkit.errors import HotkitError
except ImportError as error:
    raise AnsibleFilterError(
        f"hotkit is not installed in the Python that runs Ansible: {error}. "
        "Install both in one virtual environment (pip install hotkit)."
    ) from error


_WISHES = (
    "hotkit_profile", "hotkit_style", "hotkit_entry_method", "hotkit_commit", "hotkit_force",
    "hotkit_deadman_s", "hotkit_holder", "hotkit_trace_memory", "hotkit_trace_tasks",
)  # fmt: skip


def hotkit_plan(facts: dict[str, Any], variables: dict[str, Any], host: str) -> dict[str, Any]:
    """Facts and inventory variables of one host -> what to do there (hotkit/hostplan.py)."""
    from hotkit import hostplan

    wishes = {key: _plain(variables[key]) for key in _WISHES if key in variables}
    # Only whether there is power control counts for the plan: its password stays out of it.
    wishes |= {key: True for key in ("hotkit_power", "hotkit_machine") if key in variables}
    if variables.get("hotkit_kernel") is not None:
        wishes["hotkit_kernel"] = hotkit_kernel(str(variables["hotkit_kernel"]))
    wishes["hotkit_take_over"] = hotkit_take_over(facts, variables)
    found = hostplan.plan_host(_plain(facts), wishes, host=host).to_dict()
    return found | {"take_over": wishes["hotkit_take_over"]}


def hotkit_kernel(name: str) -> dict[str, Any]:
    """`hotkit_kernel` of an inventory -> the build in this controller's cache, or the problem."""
    from hotkit import kernel

    try:
        return kernel.wish(kernel.chosen(name)).to_dict()
    except HotkitError as error:
        return {"problem": error.message, "hint": error.hint}


def hotkit_package(plan: dict[str, Any]) -> str:
    """Where the package of a plan's kernel lies on this controller."""
    from hotkit import kernel

    try:
        return str(kernel.package_path(_plain(plan)["kernel_build"], str(plan["kernel_package"])))
    except HotkitError as error:
        raise AnsibleFilterError(f"{error.message} ({error.hint})") from error


def hotkit_attach(facts: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """Fresh facts of a host that runs its layout -> what to make of its PMEM."""
    from hotkit import hostplan

    try:
        return hostplan.attach_pmem(_plain(facts), _plain(plan["pmem"]))
    except HotkitError as error:
        raise AnsibleFilterError(f"{error.message} ({error.hint})") from error


def hotkit_take_over(facts: dict[str, Any], variables: dict[str, Any]) -> str:
    """The id of the lease on a host that may be broken: its holder is dead, or we were told to."""
    from hotkit.host.holder import is_dead

    lease = _plain(facts).get("lease")
    told = str(variables.get("hotkit_take_over", False)).lower() in ("true", "yes", "1")
    return str(lease["id"]) if lease and (told or is_dead(lease)) else ""


def hotkit_approved(path: str, host: str) -> dict[str, Any]:
    """The plan of one host in the file of plans that a person approved."""
    plans: dict[str, dict[str, Any]] = json.loads(Path(path).read_text())
    if host not in plans:
        raise AnsibleFilterError(f"{path} has no plan for {host}")
    return plans[host]


def hotkit_stripped(facts: dict[str, Any]) -> dict[str, str]:
    """For a rollback: texts of files that others may have changed, without hotkit's part."""
    from hotkit import hostplan

    try:
        return hostplan.stripped_texts(_plain(facts))
    except HotkitError as error:
        raise AnsibleFilterError(error.message) from error


def hotkit_judge(facts: dict[str, Any], layout: dict[str, Any] | None, host: str) -> dict[str, Any]:
    """Facts of a booted host against its layout (default: the one recorded there)."""
    from hotkit.checks.judging import NothingExpected, judge

    wanted = {"layout": _plain(layout)} if layout else {}
    try:
        return judge(_plain(facts), wanted, host=host).to_dict()
    except (HotkitError, NothingExpected) as error:
        raise AnsibleFilterError(str(error)) from error


def hotkit_gather_script(_: Any = None) -> str:
    """The text of the script that prints a machine's facts."""
    from hotkit.topology import gather_script

    return gather_script()


def _plain(value: Any) -> Any:
    """The same data in Python's own types: Ansible hands over tagged and lazy ones."""
    return json.loads(json.dumps(value))


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {
            "hotkit_plan": hotkit_plan,
            "hotkit_attach": hotkit_attach,
            "hotkit_package": hotkit_package,
            "hotkit_approved": hotkit_approved,
            "hotkit_stripped": hotkit_stripped,
            "hotkit_take_over": hotkit_take_over,
            "hotkit_judge": hotkit_judge,
            "hotkit_gather_script": hotkit_gather_script,
        }
