"""A power cut at every single change that a step makes to the file system.

Whatever the moment: every file is whole (as before, or as wanted), the step done again ends as if
nothing had happened, and a rollback gives back every byte.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hotkit.core.grubenv import parse
from hotkit.hostplan import stripped_texts
from tests.integration.test_hotkit_entry import CUSTOM, GRUBENV, MODULE, FakeHost

DRIVER = Path(__file__).with_name("crash_driver.py")
# Times and the lease differ between two runs; they are looked at elsewhere.
VOLATILE = ("lease.json", "lock")
HOLDER = {"id": "run-1", "who": "me@here"}


def staged(host: FakeHost) -> dict[str, Any]:
    plan = host.plan()
    assert not host.step("stage", plan).get("failed")
    return plan


def armed(host: FakeHost) -> dict[str, Any]:
    plan = staged(host)
    assert not host.step("arm", plan).get("failed")
    return plan


def booted(host: FakeHost) -> dict[str, Any]:
    plan = armed(host)
    host.boot(plan["cmdline"])
    host.path("/run/hotkit").mkdir(parents=True)
    return plan


def fallen_back(host: FakeHost) -> dict[str, Any]:
    plan = armed(host)
    host.boot("root=/dev/vda1 ro")
    return plan


def on_trial(host: FakeHost) -> dict[str, Any]:
    plan = booted(host)
    assert not host.step("confirm", plan).get("failed")
    return plan


STEPS: dict[str, tuple[Callable[[FakeHost], dict[str, Any]], dict[str, Any]]] = {
    "stage": (FakeHost.plan, {"step": "stage"}),
    "arm": (staged, {"step": "arm"}),
    "confirm": (booted, {"step": "confirm"}),
    "confirm-fallen-back": (fallen_back, {"step": "confirm"}),
    "record": (on_trial, {"step": "record", "state": "verified"}),
    "commit": (on_trial, {"step": "record", "state": "committed"}),
    "restore": (on_trial, {"step": "restore"}),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_cut_before_every_change(name: str, tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "host")
    original = host.snapshot()
    prepare, step = STEPS[name]
    plan = prepare(host)
    before = files(host.root)
    stripped = stripped_texts(host.read())
    restore = {"step": "restore", "stripped": stripped, "holder": HOLDER}
    step = step | {"plan": plan, "holder": HOLDER}
    if name == "restore":
        step = restore
    job = {
        "template": str(host.root), "work": str(tmp_path / "work"), "module": str(MODULE),
        "module_utils": str(MODULE.parents[1] / "module_utils"),
        "step": step, "again": step, "restore": restore,
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(tmp_path / "job.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) >= 10  # the driver saw the changes, or nothing was tested
    last = FakeHost.__new__(FakeHost)
    last.root = tmp_path / "work" / str(len(answers) + 1) / "crashed"  # this one was not cut
    after = files(last.root)
    for number, answer in enumerate(answers, 1):
        here = tmp_path / "work" / str(number)
        where = f"{name}, before change {number}"
        crashed = files(here / "crashed")
        for path in sorted(set(before) | set(after)):
            whole = (before.get(path), after.get(path))
            assert path.endswith("state.json") or crashed.get(path) in whole, (where, path)
        state = here / "crashed/var/lib/hotkit/state.json"
        assert not state.exists() or json.loads(state.read_text()), where
        assert len((here / "crashed" / GRUBENV.lstrip("/")).read_bytes()) == 1024, where
        bootable(here / "crashed", original, where)
        for key in ("again", "restored"):
            assert not answer[key].get("failed"), (where, key, answer[key])
        assert same(files(here / "again"), after), where
        found = FakeHost.__new__(FakeHost)
        found.root = here / "restored"
        assert strip_times(found.snapshot()) == strip_times(original), where


def files(root: Path) -> dict[str, bytes]:
    """Every file of ours and GRUB's, but for what differs between any two runs."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for top in ("boot", "etc", "var")
        for path in (root / top).rglob("*")
        if path.is_file() and path.name not in VOLATILE and not path.name.endswith(".hotkit-tmp")
    }


def same(one: dict[str, bytes], other: dict[str, bytes]) -> bool:
    """Equal, the journal's times and history aside."""

    def plain(found: dict[str, bytes]) -> dict[str, Any]:
        result: dict[str, Any] = dict(found)
        for path, data in found.items():
            if path.endswith("state.json"):
                state = json.loads(data)
                for key in ("since", "history"):
                    state.pop(key)
                result[path] = {**state, "originals": sorted(state["originals"])}
        return result

    return plain(one) == plain(other)


def strip_times(found: dict[str, tuple[bytes, int, int]]) -> dict[str, tuple[bytes, int]]:
    return {path: (data, mode) for path, (data, mode, _) in found.items()}


def bootable(root: Path, original: dict[str, Any], where: str) -> None:
    """GRUB's own files are as they were; what the next boot takes is there, or nothing is armed."""
    assert (root / "boot/grub/grub.cfg").read_bytes() == original["boot/grub/grub.cfg"][0], where
    entry = parse((root / GRUBENV.lstrip("/")).read_bytes()).get("next_entry")
    if entry:
        assert f"--id {entry} " in (root / CUSTOM.lstrip("/")).read_text(), where
