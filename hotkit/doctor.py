"""The story of `hotkit doctor`: facts of every host and of this machine, and what they lack."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hotkit.askhosts import Say, ask_hosts
from hotkit.core.answer import Answer
from hotkit.core.doctor import judge, judge_controller
from hotkit.core.examination import Examination, HostFindings
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
    say: Say = lambda host, what: None,
) -> Examination:
    """Ask every host, change nothing but installing the agent. HotkitError for a bad inventory."""
    answers = ask_hosts(inventory, limit=limit, local=local, command="doctor", say=say)
    return Examination(
        controller=judge_controller(_tools(), _PACKAGES), hosts=tuple(_judged(answers))
    )


def _judged(answers: Sequence[Answer]) -> list[HostFindings]:
    found = []
    for answer in answers:
        label = answer.label
        findings = judge(answer.events[0]["doctor"], label) if label else ()
        found.append(HostFindings(answer=answer, findings=findings))
    return found


def _tools() -> dict[str, str | None]:
    # Ansible comes with hotkit, into the same environment.
    ansible = Path(sys.executable).parent / "ansible-playbook"
    found: dict[str, str | None] = {}
    for name in _PACKAGES:
        path = ansible if ansible.exists() and name == ansible.name else which(name)
        found[name] = str(path) if path else None
    return found
