"""`hotkit guest`: guests that agents told of, those that nobody told of, and the way in."""

from __future__ import annotations

import json
import subprocess

import pytest

from hotkit import guestplay, guests
from hotkit.cli import main
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.ssh import Ssh

INVENTORY = """
all:
  hosts:
    tier1:
      hotkit_guests:
        - {name: g1, memory: 1G, disk: /srv/g1.img}
        - {name: theirs, process: {pid: 77}, ssh: {port: 2300}}
    tier2:
      ansible_become: true
      hotkit_guests: [{name: g2, disk: /srv/g2.img}]
    tier3:
    lab-x:
      hotkit_machine: {nodes: [{cpus: 1, memory: 1G}]}
      hotkit_guests: [{name: g1, disk: /srv/g1.img}]
"""
HELLO = {"v": 1, "seq": 0, "type": "hello", "machine": {}}
MACHINE = {"platform": "virtual", "nested": True, "platform_evidence": "KVM", "kernel_release": "6"}
WELL = {
    "name": "g1", "act": "status", "changed": False, "state": "running", "said": [],
    "problems": [], "pid": 328, "ssh": True, "machine": MACHINE, "since_s": 600.0,
}  # fmt: skip


def answer(code=0, error=None, **guest):
    """What an agent on a host leaves behind: its events and its exit status."""
    last = {"type": "error", **error} if error else {"type": "probe", "guest": WELL | guest}
    lines = "\n".join(json.dumps(event) for event in (HELLO, {"v": 1, "seq": 1, **last}))
    return subprocess.CompletedProcess([], code, lines, "")


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    """An inventory, and what its agents say; `asked` collects (host, what came on stdin)."""
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(guests.lab, "running", list)

    class Hosts:
        ref = str(tmp_path / "hosts.yml")
        answers = {"g1": answer(), "theirs": answer(), "g2": answer()}
        asked = []

    def install(place, files, folder):
        if "unplugged" in Hosts.answers and place.name == "tier2":
            raise HotkitError("tier2: no route", hint="plug it in", exit_code=ExitCode.UNREACHABLE)
        return ["agent.pyz"]

    def run(argv, *, check, timeout, input):
        description = json.loads(input)
        Hosts.asked.append((" ".join(argv), description))
        return Hosts.answers[description["name"]]

    monkeypatch.setattr(guests, "install", install)
    monkeypatch.setattr(guests, "run", run)
    return Hosts


def test_status_asks_each_agent_for_each_guest(hosts, capsys):
    assert main(["guest", "status", hosts.ref, "--limit", "tier*", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema_version"], found["act"], found["dry_run"]) == (1, "status", False)
    assert [(row["host"], row["guest"], row["state"]) for row in found["guests"]] == [
        ("tier1", "g1", "running"), ("tier1", "theirs", "running"), ("tier2", "g2", "running"),
    ]  # fmt: skip
    assert found["guests"][0]["platform"] == "virtual" and found["guests"][0]["nested"]
    asked = {description["name"]: (argv, description) for argv, description in hosts.asked}
    argv, description = asked["theirs"]
    assert argv.endswith("tier1 -- python3 agent.pyz guest status")
    assert description["kind"] == "process" and description["pid"] == 77
    assert "-- sudo -n -- python3 agent.pyz guest status" in asked["g2"][0].replace("'", "")


def test_one_guest_only(hosts, capsys):
    assert main(["guest", "status", hosts.ref, "--guest", "g2"]) == 0
    said = capsys.readouterr().out
    assert "g2" in said and "g1" not in said and len(hosts.asked) == 1


def test_a_guest_that_died_and_what_it_says(hosts, capsys):
    hosts.answers["theirs"] = answer(
        1, state="died", problems=["guest theirs is gone: \x1b[2J[bold]hi"], pid=None, ssh=False
    )
    assert main(["guest", "status", hosts.ref, "--limit", "tier1"]) == 1
    said = capsys.readouterr().out
    assert "tier1: guest theirs is gone: [bold]hi" in said and "\x1b[2J" not in said
    assert "10 min" in said and "virtual, nested" in said and "QEMU, 1 GiB, 1 CPU" in said


def test_an_agent_that_cannot_is_one_sentence_and_hinders_no_other(hosts, capsys):
    hosts.answers["g1"] = answer(1, error={"message": "guest g1: no /dev/kvm", "fix": "load kvm"})
    assert main(["guest", "status", hosts.ref, "--limit", "tier1"]) == 1
    said = capsys.readouterr().out
    assert "tier1: guest g1: no /dev/kvm\n  load kvm" in said and "running" in said


@pytest.mark.parametrize(
    ("stdout", "stderr", "said"),
    [
        (json.dumps(HELLO), "", "the agent said nothing of guest g1"),
        ("", "Traceback\nValueError: x", "the agent does not run: ValueError: x"),
    ],
)
def test_an_agent_that_says_something_else(hosts, capsys, stdout, stderr, said):
    hosts.answers["g1"] = subprocess.CompletedProcess([], 1, stdout, stderr)
    assert main(["guest", "status", hosts.ref, "--limit", "tier1", "--guest", "g1"]) == 1
    assert said in capsys.readouterr().out


def test_a_host_that_is_silent_does_not_hide_the_others(hosts, capsys):
    hosts.answers["unplugged"] = None
    assert main(["guest", "status", hosts.ref, "--json"]) == 3
    rows = {row["host"]: row for row in json.loads(capsys.readouterr().out)["guests"]}
    assert rows["tier1"]["state"] == "running" and rows["tier1"]["host_answered"]
    assert (rows["tier2"]["problems"], rows["tier2"]["advice"]) == (["no route"], "plug it in")
    assert rows["lab-x"]["host_runs"] is False


def test_a_machine_of_the_lab_that_is_not_started(hosts, capsys, monkeypatch):
    monkeypatch.setattr(guestplay, "PlaybookRun", None)  # nothing is played
    for act in ("up", "down", "status"):
        assert main(["guest", act, hosts.ref, "--limit", "lab-x"]) == 3
        assert "lab-x: guest g1: its host does not run\n  hotkit lab up lab-x" in (
            capsys.readouterr().out
        )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "tier3"], "has guests (tier3)"),
        (["--guest", "g9"], "has no guest 'g9'\n  guests: g1 of tier1, theirs of tier1, g2 of"),
        (["--limit", "tier9"], "--limit tier9: no host of"),
    ],
)
def test_a_wrong_name_is_refused_before_anything_is_asked(hosts, capsys, words, said):
    for act in ("up", "down", "status", "ssh"):
        assert main(["guest", act, hosts.ref, *words]) == ExitCode.BAD_INPUT
        assert said in capsys.readouterr().err
    assert not hosts.asked


@pytest.fixture
def entered(hosts, monkeypatch):
    """The words with which this process would become ssh; its host has the guest's ssh_config."""
    found = []
    status = [0]
    monkeypatch.setattr(
        Ssh, "run", lambda self, argv, **_: subprocess.CompletedProcess(argv, status[0], "", "")
    )
    monkeypatch.setattr(Ssh, "become", lambda self, argv: found.append((self.way.host, argv)))
    found.append(status)
    return found


CONFIG = "/var/lib/hotkit/guests/{}/ssh_config"


@pytest.mark.parametrize(
    ("words", "host", "argv"),
    [
        (["--guest", "theirs"], "tier1", ["ssh", "-F", CONFIG.format("theirs"), "theirs"]),
        (["--limit", "tier2", "grep", "-c", "a b", "/x"], "tier2",
         ["sudo", "-n", "--", "ssh", "-F", CONFIG.format("g2"), "g2", "--", "grep -c 'a b' /x"]),
        (["--guest", "g2", "dmesg | tail"], "tier2",
         ["sudo", "-n", "--", "ssh", "-F", CONFIG.format("g2"), "g2", "--", "dmesg | tail"]),
    ],
)  # fmt: skip
def test_ssh_goes_through_the_host(hosts, entered, words, host, argv):
    assert main(["guest", "ssh", hosts.ref, *words]) == 0
    assert entered[1:] == [(host, argv)]


def test_ssh_that_cannot_be(hosts, entered, capsys):
    assert main(["guest", "ssh", hosts.ref]) == ExitCode.BAD_INPUT
    assert "say which guest\n  --guest or --limit: g1 of tier1, theirs" in capsys.readouterr().err
    assert main(["guest", "ssh", hosts.ref, "--limit", "lab-x"]) == ExitCode.UNREACHABLE
    assert "lab-x does not run\n  hotkit lab up lab-x" in capsys.readouterr().err
    entered[0][0] = 1  # no ssh_config there
    assert main(["guest", "ssh", hosts.ref, "--guest", "g2"]) == ExitCode.UNREACHABLE
    said = capsys.readouterr().err
    assert "tier2: guest g2 was not started or found yet\n  hotkit guest up" in said
    assert entered[1:] == []
