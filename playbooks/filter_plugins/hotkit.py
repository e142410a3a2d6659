"""Filters: thin doors from a playbook to hotkit's core. Nothing is computed or quoted here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

try:
    from hotkit import hostplan
    from hotkit.checks.judging import NothingExpected, judge
    from hotkit.errors import HotkitError
    from hotkit.topology import gather_script
except ImportError as error:
    raise AnsibleFilterError(
        f"hotkit is not installed in the Python that runs Ansible: {error}. "
        "Install both in one virtual environment (pip install hotkit)."
    ) from error


def hotkit_plan(facts: dict[str, Any], variables: dict[str, Any], host: str) -> dict[str, Any]:
    """Facts and inventory variables of one host -> what to do there (hotkit/hostplan.py)."""
    wishes = {
        key: _plain(variables[key])
        for key in ("hotkit_profile", "hotkit_style", "hotkit_entry_method", "hotkit_commit")
        if key in variables
    }
    return hostplan.plan_host(_plain(facts), wishes, host=host).to_dict()


def hotkit_approved(path: str, host: str) -> dict[str, Any]:
    """The plan of one host in the file of plans that a person approved."""
    plans: dict[str, dict[str, Any]] = json.loads(Path(path).read_text())
    if host not in plans:
        raise AnsibleFilterError(f"{path} has no plan for {host}")
    return plans[host]


def hotkit_stripped(facts: dict[str, Any]) -> dict[str, str]:
    """For a rollback: texts of files that others may have changed, without hotkit's part."""
    try:
        return hostplan.stripped_texts(_plain(facts))
    except HotkitError as error:
        raise AnsibleFilterError(error.message) from error


def hotkit_judge(facts: dict[str, Any], layout: dict[str, Any] | None, host: str) -> dict[str, Any]:
    """Facts of a booted host against its layout (default: the one recorded there)."""
    wanted = {"layout": _plain(layout)} if layout else {}
    try:
        return judge(_plain(facts), wanted, host=host).to_dict()
    except (HotkitError, NothingExpected) as error:
        raise AnsibleFilterError(str(error)) from error


def hotkit_gather_script(_: Any = None) -> str:
    """The text of the script that prints a machine's facts."""
    return gather_script()


def _plain(value: Any) -> Any:
    """The same data in Python's own types: Ansible hands over tagged and lazy ones."""
    return json.loads(json.dumps(value))


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {
            "hotkit_plan": hotkit_plan,
            "hotkit_approved": hotkit_approved,
            "hotkit_stripped": hotkit_stripped,
            "hotkit_judge": hotkit_judge,
            "hotkit_gather_script": hotkit_gather_script,
        }
