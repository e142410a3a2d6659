"""The module hotkit_pmem on a fake root tree: what it refuses, and whose namespace it gives back.

What it does with ndctl and daxctl is tested with real ones (tests/lab/test_pmem.py); here no such
tool may be needed, and none is there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_hotkit_entry import FakeHost

WHAT = {
    "region": "region0", "range": [4 << 30, 6 << 30], "namespace_bytes": 1152 << 20,
    "online_bytes": 1 << 30, "block_bytes": 128 << 20,
}  # fmt: skip
STATE = "/var/lib/hotkit/state.json"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


def namespace(host: FakeHost, alt_name: str, *, driver: str | None = None) -> None:
    """A namespace in sysfs, with a dax device when some driver has it."""
    folder = host.path("/sys/bus/nd/devices/namespace0.0")
    folder.mkdir(parents=True)
    for name, text in (("alt_name", alt_name), ("resource", "0x100000000"),
                       ("size", str(1152 << 20))):  # fmt: skip
        (folder / name).write_text(text + "\n")
    if driver is None:
        return
    dax = host.path("/sys/bus/dax/devices/dax0.0")
    dax.mkdir(parents=True)
    (dax / "resource").write_text("0x100200000\n")
    (dax / "size").write_text(f"{1150 << 20}\n")
    (host.path("/sys/bus/dax/drivers") / driver).mkdir(parents=True)
    (dax / "driver").symlink_to(host.path("/sys/bus/dax/drivers") / driver)
    for number in range(33, 41):
        block = host.path(f"/sys/devices/system/memory/memory{number}")
        block.mkdir(parents=True)
        (block / "state").write_text("online\n")


def staged(host: FakeHost, made: str | None = None) -> dict[str, Any]:
    """A host in its trial, whose journal says that it made the namespace of that name."""
    plan = host.plan()
    for step in ("stage", "arm"):
        assert not host.step(step, plan).get("failed")
    host.boot(plan["cmdline"])
    assert not host.step("confirm", plan).get("failed")
    if made:
        state = host.path(STATE)
        journal = json.loads(state.read_text()) | {"pmem": {"name": made, "region": "region0"}}
        state.write_text(json.dumps(journal))
    return plan


def pmem(host: FakeHost, step: str, plan: dict[str, Any] | None = None, **more: Any) -> Any:
    if step == "attach":
        more["attachment"] = WHAT
    return host.step(step, plan, module="hotkit_pmem", **more)


def test_only_under_its_own_layout(host: FakeHost) -> None:
    plan = staged(host)
    host.boot("ro")
    refused = pmem(host, "attach", plan)
    assert refused["failed"] and "does not run here" in refused["msg"]


def test_attached_already_is_no_change(host: FakeHost) -> None:
    plan = staged(host, "hotkit-a-1")
    namespace(host, "hotkit-a-1", driver="kmem")
    found = pmem(host, "attach", plan)
    assert not found["changed"] and found["online_bytes"] == 1 << 30


@pytest.mark.parametrize(
    ("asked", "knob", "then"),
    [(True, "0", "1"), (False, "0", "0"), (True, None, None)],
    ids=["asked", "not asked", "older than 6.8"],
)
def test_a_device_is_told_to_hold_its_struct_pages_before_kmem_gets_it(
    host: FakeHost,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    asked: bool,
    knob: str | None,
    then: str | None,
) -> None:
    plan = staged(host, "hotkit-a-1")
    namespace(host, "hotkit-a-1", driver="device_dax")
    if asked:
        host.boot(plan["cmdline"] + " memory_hotplug.memmap_on_memory=1")
    path = host.path("/sys/bus/dax/devices/dax0.0/memmap_on_memory")
    if knob is not None:
        path.write_text(knob)
    # Nothing of this machine is touched: drivers are there, and daxctl ends with what it saw.
    tools = tmp_path_factory.mktemp("tools")
    for name, text in (("modprobe", "exit 0"), ("daxctl", f"echo saw $(cat {path}) >&2; exit 1")):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin")
    answer = pmem(host, "attach", plan)
    assert answer["failed"] and "daxctl reconfigure-device" in answer["msg"]
    assert then is None or f"saw {then}" in answer["msg"]
    assert (path.read_text() if path.exists() else None) == then


def test_check_mode_tells_and_does_nothing(host: FakeHost) -> None:
    plan = staged(host)
    before = host.snapshot()
    assert pmem(host, "attach", plan, check_mode=True)["changed"]
    assert host.snapshot() == before


def test_nothing_was_made_nothing_is_given_back(host: FakeHost) -> None:
    assert not pmem(host, "give_back")["changed"]
    assert not host.path("/var/lib/hotkit").exists()


def test_in_use_it_waits_for_the_reboot(host: FakeHost) -> None:
    staged(host, "hotkit-a-1")
    namespace(host, "hotkit-a-1", driver="kmem")
    assert host.restore()["pmem_left"]
    found = pmem(host, "give_back")
    assert found["pending"] and "after the next reboot" in found["notes"][0]
    # Others may work on it meanwhile.
    assert pmem(host, "give_back", holder={"id": "run-a", "who": "alice@one"})["pending"]
    assert not host.path("/var/lib/hotkit/lease.json").exists()
    # The journal was kept for it, and a second rollback finds nothing else to do.
    assert json.loads(host.path(STATE).read_text())["pmem"]["name"] == "hotkit-a-1"
    assert host.restore()["pmem_left"]


def test_a_namespace_that_is_gone_is_forgotten(host: FakeHost) -> None:
    staged(host, "hotkit-a-1")
    namespace(host, "theirs")
    host.restore()
    host.boot("ro")
    assert pmem(host, "give_back")["changed"]
    assert not host.path("/var/lib/hotkit").exists()


@pytest.mark.parametrize("name", ["theirs", ""])
def test_a_journal_that_names_a_foreign_namespace_destroys_nothing(
    host: FakeHost, name: str
) -> None:
    """A damaged or forged journal: the name of what hotkit makes begins in one way only."""
    staged(host, "x")
    state = host.path(STATE)
    journal = json.loads(state.read_text()) | {"pmem": {"name": name, "region": "region0"}}
    state.write_text(json.dumps(journal))
    namespace(host, name)
    refused = pmem(host, "give_back")
    assert refused["failed"] and "none of hotkit's" in refused["msg"]
