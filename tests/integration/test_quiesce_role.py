"""The role quiesce, as a user runs its playbook, on this machine: a knob that nobody notices."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playing import play

from hotkit.agent import quiesce
from hotkit.agent.undo import state_directory
from hotkit.assets import asset
from tests.unit.undoing import opened

COMPACTION = Path("/proc/sys/vm/compaction_proactiveness")


class Here:
    """An inventory of this machine; the agent goes into a folder of the test."""

    def __init__(self, folder: Path):
        self.agent = folder / "agent"
        self.inventory = folder / "hosts.yml"
        with opened(state_directory()):  # no sweep has made it quiet meanwhile
            self.found = COMPACTION.read_text()
        self.first, self.second = [n for n in (7, 9, 11) if f"{n}\n" != self.found][:2]
        self.settings: dict[str, Any] = dict.fromkeys(quiesce.ITEMS, "leave")
        self.settings["compaction_proactiveness"] = self.first

    def play(self, *words: str, **variables: Any) -> tuple[int, str]:
        """How many tasks changed something (-1 when one failed), and what was printed."""
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "agent_directory": str(self.agent),
            "quiesce_settings": self.settings,
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": {"here": host | variables}}}))
        return play(self.inventory, "quiesce.yml", *words)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    if os.geteuid() != 0:
        pytest.skip("not root: no knob may be written")
    machine = Here(tmp_path)
    yield machine
    with opened(state_directory()) as undo:
        undo.kept.undo()
        assert COMPACTION.read_text() == machine.found


def test_the_way_there_and_back(here: Here) -> None:
    # Nothing is installed yet: check mode cannot ask the agent, and says what it would bring.
    changed, _ = here.play("--check")
    assert changed == 1 and not here.agent.exists() and COMPACTION.read_text() == here.found
    changed, _ = here.play()
    assert changed == 2  # the agent's files, and the knob
    assert COMPACTION.read_text() == f"{here.first}\n"
    assert here.play()[0] == 0
    here.settings["compaction_proactiveness"] = here.second
    assert here.play("--check")[0] == 1 and COMPACTION.read_text() == f"{here.first}\n"
    assert here.play(quiesce_state="restored")[0] == 1
    assert COMPACTION.read_text() == here.found
    assert here.play(quiesce_state="restored")[0] == 0


def test_what_cannot_be_is_one_sentence(here: Here) -> None:
    changed, said = here.play(quiesce_settings=here.settings | {"ksm": "perhaps"})
    assert changed == -1 and "quiesce: ksm cannot be 'perhaps'" in said
    changed, said = here.play(quiesce_agent="/nowhere/agent.pyz")
    assert changed == -1 and "run the role agent first" in said
    assert COMPACTION.read_text() == here.found


def test_the_role_is_documented() -> None:
    role = asset("roles") / "quiesce"
    spec = (role / "meta/argument_specs.yml").read_text()
    readme = (role / "README.md").read_text()
    names = re.findall(r"(?m)^(\w+):", (role / "defaults/main.yml").read_text())
    assert len(names) == 4
    for name in names:
        assert f"{name}:" in spec and f"`{name}`" in readme, name
