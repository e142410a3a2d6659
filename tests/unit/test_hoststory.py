"""Ansible's events become one outcome per host."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from hotkit.errors import HotkitError
from hotkit.host.ansible import Event
from hotkit.host.bootwatch import BootWatch
from hotkit.host.inventory import Host, Inventory
from hotkit.host.sshway import SshWay
from hotkit.hoststory import HostStory
from hotkit.report.provision import LiveProgress


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def story(tmp_path: Path, screen: Console) -> HostStory:
    hosts = tuple(
        Host(name=name, variables=variables, way=SshWay(host=name))
        for name, variables in (("tier1", {}), ("lab1", {"hotkit_machine": {"nodes": []}}))
    )
    inventory = Inventory(name="x", path=tmp_path, hosts=hosts)
    return HostStory(inventory, LiveProgress(screen), tmp_path, check=False, diff=True)


def feed(story: HostStory, *events: Event) -> None:
    run: Any = SimpleNamespace(log=Path("/runs/1/stdout"))
    for event in events:
        story._follow(event, run)


def event(
    kind: str, host: str = "tier1", task: str = "Write the boot entry", **result: Any
) -> Event:
    return Event(kind=kind, play="p", task=task, host=host, result=result)


def test_changes_notes_and_diffs_add_up(story: HostStory, screen: Console) -> None:
    diff = [{"before_header": "/x", "after_header": "/x", "before": "", "after": "new\n"}]
    feed(
        story,
        event("started"),
        event("ok", changed=True, notes=["armed again"], diff=diff),
        event("ok", changed=False),
        event("started", task="Reboot"),
        event("skipped", task="Reboot"),
    )
    outcome = story.outcomes["tier1"]
    assert (outcome.changed, outcome.notes) == (1, ("armed again",))
    assert story.going() == ["tier1", "lab1"]
    assert isinstance(screen.file, io.StringIO)
    said = screen.file.getvalue()
    assert "+new" in said and "Reboot: not needed" in said


@pytest.mark.parametrize(
    ("happened", "status", "sentence", "hint"),
    [
        (event("failed", msg="custom.cfg changed"), "failed",
         "Write the boot entry: custom.cfg changed", "log: /runs/1/stdout"),
        (event("failed", msg="Task failed: no sudo"), "failed", "Write the boot entry: no sudo",
         "log: /runs/1/stdout"),
        (event("failed"), "failed", "no reason given", "log:"),
        (event("failed", fell_back=True), "fell-back", "fell back to its stock entry", "rollback"),
        (event("unreachable", msg="Failed to connect to the host via ssh: @@@ WARNING: REMOTE HOST "
               "IDENTIFICATION HAS CHANGED! @@@"),
         "unreachable", "cannot be reached: its host key is not the one in known_hosts",
         "compare the keys by hand; nothing was sent to the machine"),
        (event("unreachable", msg='Data could not be sent to remote host "x". Make sure this '
               "host can be reached over ssh: ssh: connect to host x port 22: No route to host"),
         "unreachable", "cannot be reached: ssh: connect to host x port 22: No route to host",
         "log:"),
    ],
)  # fmt: skip
def test_endings(story: HostStory, happened: Event, status: str, sentence: str, hint: str) -> None:
    feed(story, happened)
    outcome = story.outcomes["tier1"]
    assert outcome.status == status and sentence in outcome.sentence
    assert outcome.hint is not None and hint in outcome.hint
    assert story.going() == ["lab1"]


def test_a_lab_machine_that_is_down_is_told_how_to_start(story: HostStory) -> None:
    feed(story, event("unreachable", host="lab1", msg="over ssh: refused"))
    assert story.outcomes["lab1"].hint == ("a lab machine must run first: hotkit lab up lab1")


def test_a_machine_lost_in_the_reboot_is_told_about_the_reset(
    story: HostStory, tmp_path: Path
) -> None:
    log = tmp_path / "console.log"
    log.write_text("Linux version 6.1\nKernel panic - not syncing: \x1b[31mno\x1b[0m init\n")
    story.watches["lab1"] = BootWatch(log)
    feed(story, event("unreachable", host="lab1", task="Reboot", msg="no answer"))
    outcome = story.outcomes["lab1"]
    assert "a reset boots the stock entry" in (outcome.hint or "")
    assert "the kernel panicked: no init" in outcome.sentence and outcome.ending == "panic"


def test_a_power_reset_is_told(story: HostStory) -> None:
    feed(
        story,
        event("ok", task="Reboot", power_reset=True, power="QMP of lab1", notes=["reset"]),
        event("failed", fell_back=True),
    )
    outcome = story.outcomes["tier1"]
    assert outcome.power_reset == "QMP of lab1" and "after a reset" in outcome.sentence
    assert outcome.to_dict()["power_reset"] == "QMP of lab1"


def test_a_slow_host_delays_nobody_and_a_broken_one_stops_those_not_begun(
    story: HostStory,
) -> None:
    slow, others = threading.Event(), []

    def work(name: str) -> None:
        if name == "tier1":
            slow.wait(20)
        others.append(name)
        story.end(name, "ok", "done")
        slow.set()

    story.each(work, batch=2, max_failures=1)
    assert others == ["lab1", "tier1"]  # lab1 let tier1 go on


def test_after_too_many_failures_no_host_begins(story: HostStory) -> None:
    def work(name: str) -> None:
        raise HotkitError("no power", hint="look")

    story.each(work, batch=1, max_failures=1)
    assert [item.status for item in story.outcomes.values()] == ["failed", "not-started"]
    assert story.outcomes["tier1"].sentence == "no power"
    assert "1 other host had failed" in story.outcomes["lab1"].sentence


def test_ctrl_c_reaches_the_threads(story: HostStory) -> None:
    def work(name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        story.each(work, batch=1, max_failures=0)
    assert story.going() == ["tier1", "lab1"]


def test_declined_hosts_keep_their_own_ends(story: HostStory) -> None:
    feed(story, event("unreachable", msg="x"))
    story.decline()
    assert [item.status for item in story.outcomes.values()] == ["unreachable", "declined"]
    assert story.result().to_dict()["ok"] is False
