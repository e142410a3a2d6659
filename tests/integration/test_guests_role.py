"""The role vm, its playbook and `hotkit guest up|down` around it, with real Ansible, here.

A VM needs KVM: where one comes up a program speaks for the agent (guestagent.py), and the lab's
tests have the real one. What ends before a VM is started is asked of the real agent.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playing import play

from hotkit import guestplay, guests
from hotkit.agent.guest import life
from hotkit.agentplace import Place
from hotkit.assets import asset
from hotkit.cli import main
from hotkit.core.guestoutcome import exit_code
from hotkit.core.guestspec import guests_from
from hotkit.errors import ExitCode
from hotkit.host.inventory import Host, Inventory
from hotkit.host.sshway import SshWay

SPEAKS = Path(__file__).parent / "guestagent.py"
NAME = "hotkit-test-role"  # of a guest that the real agent is asked for: its folder is /var/lib's


def listed(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "memory": "64M", "disk": "/srv/x.img"} for name in names]


class Here:
    """An inventory of this machine; the agent goes into a folder of the test."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.inventory = folder / "hosts.yml"
        self.guests: list[dict[str, Any]] | None = listed("g1", "g2")
        self.variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "agent_directory": str(folder / "agent"),
            "vm_agent": shutil.copy(SPEAKS, folder),
        }

    def write(self) -> None:
        host = self.variables | ({} if self.guests is None else {"hotkit_guests": self.guests})
        self.inventory.write_text(json.dumps({"all": {"hosts": {"here": host}}}))

    def up(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("up/*"))

    def play(self, *words: str) -> tuple[int, str]:
        """How many tasks changed something (-1 when one failed), and what was printed."""
        self.write()
        return play(self.inventory, "guests.yml", *words)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_up_and_down_again(here: Here) -> None:
    assert here.play("--check")[0] == 3 and here.up() == []  # the agent's files, and two guests
    assert here.play()[0] == 3 and here.up() == ["g1", "g2"]
    assert here.play()[0] == 0
    assert here.play("-e", "vm_state=down", "-e", "guests_only=g2")[0] == 1
    assert here.up() == ["g1"]


def test_a_host_without_guests_is_left_alone(here: Here) -> None:
    here.guests = None
    assert here.play()[0] == 0 and not (here.folder / "agent").exists()


def test_what_cannot_be_is_one_sentence(here: Here) -> None:
    here.guests = listed("bad")
    changed, said = here.play()
    # What comes from a host is no template: nobody computes 49 of it.
    assert changed == -1 and "guest bad: no disk {{ 7 * 7 }} (make one)" in said


@pytest.fixture
def story(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """`change` reaches this machine without ssh: the hosts that are chosen are made by hand."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def choose(*_: Any, **__: Any) -> list[guests.HostGuests]:
        here.write()
        host = Host(name="here", variables={}, way=SshWay(host="here"))
        known = Inventory(name="x", path=here.inventory, hosts=(host,))
        place = Place("here", host, known)
        return [guests.HostGuests(place=place, guests=guests_from(here.guests), runs=True)]

    monkeypatch.setattr(guestplay, "choose", choose)
    return here


def test_a_guest_that_fails_hinders_no_other(story: Here) -> None:
    story.guests = listed("g1", "bad", "ill")
    steps: list[tuple[str, str]] = []
    found = guestplay.change("x", "up", say=lambda host, what: steps.append((host, what)))
    assert [(row.guest, row.well, row.state) for row in found] == [
        ("g1", True, "running"), ("bad", False, None), ("ill", False, "running"),
    ]  # fmt: skip
    assert found[0].said == ("guest g1: up of 67108864 bytes",) and found[0].changed
    assert found[1].problems == ("guest bad: no disk {{ 7 * 7 }}",)
    assert found[1].advice == "make one" and found[2].problems == ("guest ill hangs",)
    assert exit_code(found, "up") is ExitCode.VERDICT_FAILED
    assert ("here", "Guest ill") in steps and story.up() == ["g1", "ill"]
    again = guestplay.change("x", "down")
    assert all(row.changed == (row.guest != "bad") for row in again) and story.up() == []
    assert exit_code(again, "down") is ExitCode.OK


def test_a_dry_run_starts_nothing_and_copies_nothing(story: Here) -> None:
    story.variables["vm_agent"] = str(story.folder / "agent" / "agent.pyz")
    (found, other) = guestplay.change("x", "up", dry_run=True)
    assert "the agent is not on the host yet" in found.said[0] and other.said == found.said
    assert found.state is None and found.changed and found.well
    assert story.up() == [] and not (story.folder / "agent").exists()


def test_what_ends_the_playbook_is_said_of_each_guest(story: Here) -> None:
    story.variables["vm_agent"] = "/nowhere/agent.pyz"
    found = guestplay.change("x", "up")
    assert [row.guest for row in found] == ["g1", "g2"]
    for row in found:
        assert row.problems[0].startswith("The agent is there: /nowhere/agent.pyz is not on")
        assert row.answered and (row.advice or "").startswith("log: ")
    story.variables["vm_agent"] = shutil.copy(SPEAKS, story.folder)
    story.variables["vm_python"] = "/nowhere/python3"
    (found, _) = guestplay.change("x", "up")
    assert "the agent does not run" in found.problems[0]


def test_a_host_that_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "hosts.yml"
    host = {"ansible_host": "127.0.0.1", "ansible_port": 1, "hotkit_guests": listed("g1")}
    file.write_text(json.dumps({"all": {"hosts": {"m1": host}}}))
    for act in ("up", "status"):
        assert main(["guest", act, str(file), "--json"]) == ExitCode.UNREACHABLE
        (row,) = json.loads(capsys.readouterr().out)["guests"]
        assert not row["host_answered"] and "Connection refused" in row["problems"][0]
    assert main(["guest", "ssh", str(file)]) == ExitCode.UNREACHABLE
    assert "Connection refused" in capsys.readouterr().err


@pytest.fixture
def real(here: Here) -> Iterator[Here]:
    if os.geteuid() != 0:
        pytest.skip("not root: the agent keeps guests below /var/lib/hotkit")
    del here.variables["vm_agent"]
    here.guests = [{"name": NAME, "disk": "/nowhere/x.img", "kernel": "/nowhere/vmlinuz"}]
    kept = life.ROOT
    was = kept.exists()
    yield here
    shutil.rmtree(kept / NAME, ignore_errors=True)
    if not was and kept.exists():
        kept.rmdir()


def test_the_real_agent_is_understood(real: Here) -> None:
    assert real.play("-e", "vm_state=down")[0] == 1  # the agent's files; no guest was there
    assert real.play("--check")[0] == 1
    assert not (life.ROOT / NAME).exists()
    changed, said = real.play()
    assert changed == -1 and "the guest's kernel /nowhere/vmlinuz is not there" in said


def test_the_role_is_documented() -> None:
    role = asset("roles") / "vm"
    spec = (role / "meta/argument_specs.yml").read_text()
    readme = (role / "README.md").read_text()
    names = re.findall(r"(?m)^(\w+):", (role / "defaults/main.yml").read_text())
    assert len(names) == 3
    for name in (*names, "vm_guest"):
        assert f"{name}:" in spec and f"`{name}`" in readme, name
