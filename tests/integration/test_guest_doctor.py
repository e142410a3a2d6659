"""`hotkit doctor` of a host with guests: the real agent, asked by the real command, and in a guest.

What stands in for ssh and the VM is a shell: the guest is this machine's own user space.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotkit import askhosts
from hotkit.agent import guestdoctor
from hotkit.agent.guest.life import Guest
from hotkit.agent.protocol import AgentError
from hotkit.agentplace import Place
from hotkit.cli import main
from hotkit.host.zipapp import build_agent


class HereGuest(Guest):
    """A guest whose commands run here; `script` in their place when it is given."""

    def __init__(self, root: Path, script: str = ""):
        super().__init__({"name": "g1", "kind": "process", "pid": os.getpid()}, root)
        self.script = script
        self.folder.mkdir(parents=True)
        (self.folder / "ssh_config").touch()

    def ssh_words(self, words: list[str]) -> list[str]:
        return ["sh", "-c", self.script or " ".join(words).replace("python3", sys.executable)]


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Path:
    path = build_agent().path
    monkeypatch.setattr(sys, "argv", [str(path), "doctor"])
    return path


def test_the_agent_goes_into_the_guest_and_leaves_nothing(
    agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    found = guestdoctor.guest_facts(HereGuest(tmp_path))
    assert (found["state"], found["silent"], found["pid"]) == ("running", None, os.getpid())
    assert found["machine"]["platform"] in ("metal", "virtual", "emulated")
    assert found["inside"]["doctor"]["uid"] == os.geteuid()
    assert found["inside"]["pmu"]["vendor"]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Connection refused' >&2; exit 255", "Connection refused"),
        ("exit 7", "ssh ended with 7"),
        ("echo hello; echo world", "ssh ended with 0"),
        ("exec sleep 60", "no answer within 0.5 s"),
    ],
)
def test_a_guest_that_does_not_answer(
    agent: Path, tmp_path: Path, script: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guestdoctor, "_SECONDS", 0.5)
    found = guestdoctor.guest_facts(HereGuest(tmp_path, script))
    assert (found["state"], found["silent"], found["inside"]) == ("silent", words, None)


def test_a_guest_that_nobody_has_looked_for(agent: Path, tmp_path: Path) -> None:
    guest = HereGuest(tmp_path)
    (guest.folder / "ssh_config").unlink()
    with pytest.raises(AgentError, match="the way to it is not known yet"):
        guestdoctor.ask(guest)


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two hosts that are this machine; the first has a guest that is down and one of others."""
    file = tmp_path / "hosts.yml"
    process = {"name": "theirs", "process": {"pid": os.getpid()}, "ssh": {"port": 2299}}
    ours = {"name": "hotkit-test-doctor", "memory": "64M", "disk": "/nowhere/x.img"}
    hosts = {"tier1": {"hotkit_guests": [ours, process]}, "tier2": None}
    file.write_text(json.dumps({"all": {"hosts": hosts}}))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(askhosts, "install", lambda *_: [str(build_agent().path)])
    monkeypatch.setattr(Place, "words", lambda _, argv: list(argv))
    monkeypatch.setattr(Place, "python", sys.executable)
    return file


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["doctor", *words, "--json"]) in (0, 1)
    return {host["host"]: host for host in json.loads(capsys.readouterr().out)["hosts"]}


def test_hosts_with_guests_are_asked_about_them(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = asked(capsys, "-i", str(inventory))
    assert "guests" not in hosts["tier2"]
    found = hosts["tier1"]["guests"]
    assert {"virtualisation", "kvm-flush", "guest-vpmu"} <= {x["code"] for x in found["findings"]}
    ours, theirs = found["each"]
    assert (ours["guest"], ours["state"], ours["platform"]) == ("hotkit-test-doctor", "down", None)
    said = {item["code"]: item for item in ours["findings"]}
    assert said["guest-disk"]["sentence"] == "/nowhere/x.img is not there"
    up = f"hotkit guest up {inventory} --limit tier1 --guest hotkit-test-doctor"
    assert said["guest-state"]["fix"] == up and "guest-memory" in said
    assert (theirs["guest"], theirs["state"]) == ("theirs", "silent")
    said = {item["code"]: item for item in theirs["findings"]}
    assert said["guest-state"]["gravity"] == "problem" and "monitor" in said
    assert not Path("/var/lib/hotkit/guests/hotkit-test-doctor").exists()


def test_every_host_can_be_asked(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts = asked(capsys, "-i", str(inventory), "--limit", "tier2", "--guests")
    assert hosts["tier2"]["guests"]["each"] == [] and hosts["tier2"]["guests"]["findings"]
    assert asked(capsys, "--local", "--guests")["localhost"]["guests"]["findings"]
    assert "guests" not in asked(capsys, "--local")["localhost"]


def test_on_the_terminal_each_finding_has_its_name(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["doctor", "-i", str(inventory), "--limit", "tier1"])
    rows = capsys.readouterr().out.splitlines()
    titles = [row for row in rows if row.startswith(("tier1", "this machine"))]
    assert [title.split(":")[0].partition(" [")[0] for title in titles] == [
        "tier1", "tier1", "tier1, guest hotkit-test-doctor", "tier1, guest theirs",
        "this machine, as the controller",
    ]  # fmt: skip
    assert ", for guests: " in titles[1]
    assert any(row.split()[1:2] == ["guest-vpmu"] for row in rows)


def test_a_wrong_description_is_refused_before_a_host_is_asked(
    inventory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(askhosts, "install", None)
    inventory.write_text("all: {hosts: {tier1: {hotkit_guests: [{name: g1, memory: 3}]}}}\n")
    assert main(["doctor", "-i", str(inventory)]) == 2
    said = capsys.readouterr().err
    assert "hosts.yml:1:" in said and "hotkit_guests" in said and "Traceback" not in said


def test_what_came_on_stdin_may_be_nothing(agent: Path) -> None:
    done = subprocess.run(
        [sys.executable, agent, "doctor"], input="", capture_output=True, text=True, check=True
    )
    (probe,) = [json.loads(row) for row in done.stdout.splitlines()[1:]]
    assert set(probe) == {"v", "seq", "type", "doctor"}
