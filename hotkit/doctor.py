"""The story of `hotkit doctor`: facts of hosts, their guests and this machine; what they lack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hotkit.askhosts import Say, ask_hosts
from hotkit.core.answer import Answer
from hotkit.core.doctor import judge, judge_controller
from hotkit.core.examination import Examination, GuestFindings, HostFindings, VmFindings
from hotkit.core.guestdoctor import judge_guest
from hotkit.core.guestspec import Guest, description
from hotkit.core.labels import Label, machine_label
from hotkit.core.vmdoctor import judge_vms
from hotkit.host.guestspec import guests_of
from hotkit.host.inventory import load_inventory
from hotkit.host.run import which

_PACKAGES = {
    "gcc": "apt-get install gcc libc6-dev",
    "ssh": "apt-get install openssh-client",
    "ansible-playbook": "install hotkit again (make setup): it brings Ansible",
    "qemu-system-x86_64": "apt-get install qemu-system-x86",
}


def examine(
    inventory: str | Path,
    *,
    limit: str | None = None,
    local: bool = False,
    guests: bool = False,
    say: Say = lambda host, what: None,
) -> Examination:
    """Ask every host, change nothing but installing the agent. HotkitError for a bad inventory.

    A host is asked about VMs when the inventory gives it guests, or when `guests` asks for it.
    """
    known = None if local else load_inventory(inventory, limit)
    of_hosts = {host.name: guests_of(host, known) for host in known.hosts} if known else {}

    def stdin(host: str) -> str:
        asked = of_hosts.get(host, ())
        if not asked and not guests:
            return ""
        return json.dumps({"guests": [description(guest) for guest in asked]}) + "\n"

    answers = ask_hosts(
        known or inventory, limit=limit, local=local, command="doctor", stdin=stdin, say=say
    )
    hosts = [_judged(answer, of_hosts.get(answer.host, ()), str(inventory)) for answer in answers]
    return Examination(controller=judge_controller(_tools(), _PACKAGES), hosts=tuple(hosts))


def _judged(answer: Answer, guests: Sequence[Guest], inventory: str) -> HostFindings:
    label = answer.label
    if label is None:
        return HostFindings(answer=answer, findings=())
    said = answer.events[0]
    return HostFindings(
        answer=answer,
        findings=judge(said["doctor"], label),
        vms=_vms(answer.host, said, label, guests, inventory) if "vm" in said else None,
    )


def _vms(
    host: str, said: Mapping[str, Any], label: Label, guests: Sequence[Guest], inventory: str
) -> VmFindings:
    """Of one host that was asked about VMs; guests are in the order in which they were asked."""
    each = []
    for guest, found in zip(guests, said["guests"], strict=True):
        way = f"{inventory} --limit {host} --guest {guest.name}"
        machine = found["machine"]
        each.append(
            GuestFindings(
                name=guest.name,
                state=found["state"],
                label=machine_label(machine) if machine else None,
                findings=judge_guest(guest, found, said["vm"], said["doctor"], way),
            )
        )
    findings = judge_vms(said["vm"], said["doctor"], label, guests)
    return VmFindings(findings=findings, guests=tuple(each))


def _tools() -> dict[str, str | None]:
    found = {name: which(name) for name in _PACKAGES}
    # Ansible comes with hotkit, as a module of the same Python.
    ansible = find_spec("ansible")
    found["ansible-playbook"] = Path(ansible.origin) if ansible and ansible.origin else None
    return {name: str(path) if path else None for name, path in found.items()}
