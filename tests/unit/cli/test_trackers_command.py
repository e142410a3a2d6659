"""`hotkit trackers` and `hotkit doctor`: this machine, a lab that is down, and hosts made up."""

from __future__ import annotations

import io
import json
import time

import pytest
from rich.console import Console

from hotkit import askhosts
from hotkit.agent.trackers import TRACKERS
from hotkit.cli import main
from hotkit.cli.asking import asking
from hotkit.core.answer import Answer, all_answered
from hotkit.core.examination import Examination, HostFindings
from hotkit.core.gravity import Finding, Gravity
from hotkit.core.trackermatrix import HostTrackers, Verdict, verdicts_of
from hotkit.errors import ExitCode, HotkitError
from hotkit.report.doctor import print_examination
from hotkit.report.trackers import print_matrix, print_tracker

MACHINE = {"platform": "emulated", "platform_evidence": "TCG", "kernel_release": "6.12.1"}
UP = Answer(host="tier1", machine=MACHINE)
GONE = Answer(host="tier2", problem="cannot be reached by ssh", advice="is it up?")
DOWN = Answer(host="lab-x", problem="does not run", advice="hotkit lab up lab-x", running=False)


def printed(function, *arguments) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    function(*arguments, console)
    return console.file.getvalue()


def test_this_machine_as_json(capsys):
    assert main(["trackers", "--local", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema_version"] == 1 and list(found["trackers"]) == list(TRACKERS)
    (host,) = found["hosts"]
    assert host["platform"] in ("metal", "virtual", "emulated")
    assert list(host["trackers"]) == list(TRACKERS) and host["trackers"]["none"]["available"]


def test_one_tracker_as_json(capsys):
    assert main(["trackers", "mglru", "--local", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    settings = found["trackers"]["mglru"]["settings"]
    assert settings["interval_ms"]["default"] == 200 and "placement" in settings
    assert list(found["hosts"][0]["trackers"]) == ["mglru"]


def test_a_wrong_name_is_refused_before_anything_is_asked(capsys, monkeypatch):
    monkeypatch.setattr("hotkit.cli.trackers.trackers", None)
    assert main(["trackers", "demon"]) == 2
    said = capsys.readouterr().err
    assert "'demon'" in said and "damon" in said


def test_doctor_of_this_machine(capsys):
    code = main(["doctor", "--local", "--json"])
    found = json.loads(capsys.readouterr().out)
    gravities = {item["gravity"] for item in found["controller"] + found["hosts"][0]["findings"]}
    assert code == ("problem" in gravities) and found["hosts"][0]["platform"]
    assert main(["doctor", "--local"]) in (0, 1)  # another test may be at work by now
    assert "as the controller" in capsys.readouterr().out


@pytest.fixture
def two_hosts(tmp_path, monkeypatch):
    """An inventory of a machine of the lab that is down, and two hosts that answer or do not."""
    file = tmp_path / "hosts.yml"
    machine = "{hotkit_machine: {nodes: [{cpus: 1, memory: 1G}]}}"
    file.write_text(f"all: {{hosts: {{tier1: , tier2: , lab-x: {machine}}}}}\n")

    def install(place, files, folder):
        if place.name == "tier2":
            raise HotkitError("tier2: no route", hint="plug it in", exit_code=ExitCode.UNREACHABLE)
        return ["agent.pyz"]

    monkeypatch.setattr(askhosts, "install", install)
    monkeypatch.setattr(askhosts.lab, "running", list)
    monkeypatch.setattr(askhosts, "run", lambda *_, **__: None)
    probe = {"type": "probe", "tracker": "none", "available": True, "reason": None, "fix": None}
    events = [{"type": "hello", "machine": MACHINE}, probe]
    monkeypatch.setattr(askhosts, "ask_agent", lambda *_, **__: events)
    return str(file)


def test_a_host_that_is_silent_does_not_hide_the_others(two_hosts, capsys):
    assert main(["trackers", "-i", two_hosts, "--json"]) == 3
    hosts = {host["host"]: host for host in json.loads(capsys.readouterr().out)["hosts"]}
    assert hosts["tier1"]["trackers"]["none"]["available"]
    assert (hosts["tier2"]["problem"], hosts["tier2"]["advice"]) == ("no route", "plug it in")
    assert hosts["lab-x"]["running"] is False
    assert main(["trackers", "-i", two_hosts]) == 3
    said = capsys.readouterr().out
    assert "tier1 [emulated]" in said and "tier2: no route: plug it in" in said
    assert "lab-x: does not run: hotkit lab up lab-x" in said


def test_a_machine_that_is_not_started_is_no_failure(two_hosts, capsys):
    assert main(["trackers", "-i", two_hosts, "--limit", "tier1,lab-x"]) == 0
    # But when nobody answers, there is no answer.
    assert main(["trackers", "-i", two_hosts, "--limit", "lab-x"]) == 3
    assert "does not run" in capsys.readouterr().out


def test_all_answered():
    assert all_answered([UP, DOWN])
    assert not all_answered([UP, GONE]) and not all_answered([DOWN]) and not all_answered([])


def test_matrix():
    damon = Verdict(available=False, reason="no DAMON", fix="another kernel")
    verdicts = {"none": Verdict(available=True), "damon": damon}
    said = printed(print_matrix, [HostTrackers(answer=UP, verdicts=verdicts)])
    assert "tier1 [emulated]" in said
    assert "tier1: damon: no DAMON\n  fix: another kernel" in said
    for kind in TRACKERS.values():
        assert kind.how in said
    said = printed(print_tracker, TRACKERS["damon"], [HostTrackers(answer=UP, verdicts=verdicts)])
    assert "sample_us" in said and "5000" in said and "tier1 [emulated]: no: no DAMON" in said


def test_verdicts_come_in_the_order_of_the_table():
    events = [{"tracker": name, "available": True, "reason": None, "fix": None} for name in "cab"]
    assert list(verdicts_of(events, ("a", "b", "d"))) == ["a", "b"]


def test_examination():
    bad = Finding(gravity=Gravity.PROBLEM, code="root", sentence="not root", fix="sudo")
    good = Finding(gravity=Gravity.FINE, code="swap", sentence="no swap")
    host = HostFindings(answer=UP, findings=(bad, good))
    found = Examination(controller=(good,), hosts=(host, HostFindings(answer=DOWN, findings=())))
    assert found.exit_code == 1
    said = printed(print_examination, found)
    assert "tier1 [emulated]: 1 problems, 0 warnings, 1 fine" in said
    assert "not root" in said and "fix: sudo" in said and "does not run" in said
    silent = HostFindings(answer=GONE, findings=())
    assert Examination(controller=(), hosts=(host, silent)).exit_code == 3
    well = HostFindings(answer=UP, findings=(good,))
    assert Examination(controller=(), hosts=(well,)).exit_code == 0
    assert Examination(controller=(bad,), hosts=(well,)).exit_code == 1


def test_progress_only_after_a_while(capsys, monkeypatch):
    with asking() as say:
        say("tier1", "asking the agent")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("hotkit.cli.asking._QUIET_S", 0.05)
    with asking() as say:
        say("tier1", "asking the agent")
        time.sleep(0.3)
        say("tier1", "answered")
    assert capsys.readouterr().err == "tier1: asking the agent\ntier1: answered\n"
