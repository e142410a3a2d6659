"""The lease on a host: one controller at a time, beyond the reboots of its work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotkit.host.holder import is_dead, this_holder
from hotkit.host.runs import RESULT, new_run_folder
from tests.integration.test_hotkit_entry import FakeHost

ALICE = {"id": "run-a", "who": "alice@one"}
BOB = {"id": "run-b", "who": "bob@two"}


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def lease(host: FakeHost) -> dict[str, Any] | None:
    path = host.path("/var/lib/hotkit/lease.json")
    return json.loads(path.read_text()) if path.exists() else None


def files(host: FakeHost) -> dict[str, Any]:
    """All but the lock: it is opened for writing by whoever looks."""
    return {name: what for name, what in host.snapshot().items() if not name.endswith("/lock")}


def test_the_second_is_refused_with_who_since_when(host: FakeHost) -> None:
    plan = host.plan()
    assert not host.step("stage", plan, holder=ALICE).get("failed")
    before = files(host)
    refused = host.step("arm", plan, holder=BOB)
    assert refused["failed"] and "alice@one is at work on this machine since 20" in refused["msg"]
    assert "--take-over" in refused["msg"]
    assert files(host) == before
    # Somebody without a name (plain ansible-playbook) is kept away as well.
    assert host.step("arm", plan)["failed"]
    # The holder goes on, across a reboot too.
    assert not host.step("arm", plan, holder=ALICE).get("failed")
    host.boot(plan["cmdline"])
    assert host.step("confirm", plan, holder=BOB)["failed"]
    assert not host.step("confirm", plan, holder=ALICE).get("failed")
    assert not host.step("record", plan, holder=ALICE, state="verified").get("failed")
    assert lease(host) is None
    assert not host.step("record", plan, holder=BOB, state="verified").get("failed")


def test_a_refused_first_step_leaves_nothing_behind(host: FakeHost) -> None:
    plan = host.plan()
    host.boot("ro")  # the plan is of the boot before
    assert host.step("stage", plan, holder=ALICE)["failed"]
    assert not host.path("/var/lib/hotkit").exists()


def test_only_the_lease_that_was_named_is_taken_over(host: FakeHost) -> None:
    plan = host.plan()
    host.step("stage", plan, holder=ALICE)
    assert host.step("arm", plan, holder=BOB, take_over="run-x")["failed"]
    assert not host.step("arm", plan, holder=BOB, take_over="run-a").get("failed")
    held = lease(host)
    assert held is not None and held["who"] == "bob@two"
    assert "bob@two" in host.step("arm", plan, holder=ALICE)["msg"]


@pytest.mark.parametrize("text", [None, "{", '{"id": 1}', "[]", "null"])
def test_a_lease_that_ran_out_or_is_damaged_holds_nobody(host: FakeHost, text: str | None) -> None:
    plan = host.plan()
    assert not host.step("stage", plan, holder=ALICE, lease_seconds=-1).get("failed")
    if text is not None:
        host.path("/var/lib/hotkit/lease.json").write_text(text)
    assert not host.step("arm", plan, holder=BOB).get("failed")


def test_release_and_rollback_give_it_back(host: FakeHost) -> None:
    plan = host.plan()
    host.step("stage", plan, holder=ALICE)
    assert host.restore(holder=BOB)["failed"]
    assert host.step("release", holder=BOB)["failed"]
    assert not host.step("release", holder=ALICE).get("failed")
    assert not host.restore(holder=BOB).get("failed")
    assert not host.path("/var/lib/hotkit").exists()


def test_check_mode_takes_no_lease(host: FakeHost) -> None:
    host.step("stage", host.plan(), holder=ALICE, check_mode=True)
    assert not host.path("/var/lib/hotkit").exists()


def test_a_holder_of_this_machine_is_dead_when_its_process_is() -> None:
    assert not is_dead(this_holder("x"))
    done = subprocess.run(
        [sys.executable, "-c",
         "import json; from hotkit.host.holder import this_holder; "
         "print(json.dumps(this_holder('y')))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    gone = json.loads(done.stdout)
    assert is_dead(gone) and gone["pid"] != os.getpid()
    # The same number, started at another time; and what cannot be known counts as alive.
    assert is_dead(this_holder("x") | {"start_ticks": 1})
    assert not is_dead(gone | {"machine_id": "another"})
    assert not is_dead(gone | {"pid_namespace": "a container's"})
    assert not is_dead({})
    assert not is_dead(this_holder("../../runs"))
    assert is_dead(gone | {"boot_id": "before"})


def test_a_run_that_told_its_result_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process may live on (a script with several runs), its host was perhaps not reached."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = new_run_folder("provision")
    assert not is_dead(this_holder(folder.name))
    (folder / RESULT).write_text("{}")
    assert is_dead(this_holder(folder.name))
    assert not is_dead(this_holder(f"../runs/{folder.name}"))
