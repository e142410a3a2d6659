"""From a refusal of the kernel to a reason and its fix."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hotkit.agent import access, cgroup
from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import complete
from hotkit.agent.undo import Undo

KNOB = Path("/sys/kernel/debug/lru_gen")


def refusal(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.fixture
def root(monkeypatch, tmp_path):
    """Root on a machine outside of containers; `root(lockdown)` says what securityfs says."""

    def put(lockdown: str | None) -> None:
        file = tmp_path / "lockdown"
        if lockdown is not None:
            file.write_text(lockdown + "\n")
        monkeypatch.setattr(access, "LOCKDOWN", str(file))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(access, "container", lambda: None)
    return put


def test_a_user_is_told_to_be_root(root, monkeypatch):
    root("none [integrity] confidentiality")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert access.explain(KNOB, refusal(errno.EACCES)) == (
        f"{KNOB}: Permission denied",
        "run as root",
    )


def test_lockdown_is_told_as_lockdown(root):
    root("none [integrity] confidentiality")
    reason, fix = access.explain(KNOB, refusal(errno.EPERM))
    assert reason == f"the kernel is locked down (integrity) and refuses {KNOB}"
    assert "Secure Boot" in fix and "lockdown=" in fix


def test_without_securityfs_lockdown_is_a_guess_and_called_one(root):
    root(None)
    reason, fix = access.explain(KNOB, refusal(errno.EPERM))
    assert "as of a kernel that is locked down" in reason and "mount -t securityfs" in fix


def test_a_security_module_is_not_called_lockdown(root):
    root("[none] integrity confidentiality")
    reason, fix = access.explain(KNOB, refusal(errno.EACCES))
    assert "locked" not in reason and "SELinux" in fix


def test_a_container_is_told_with_its_evidence(root, monkeypatch):
    root("[none] integrity confidentiality")
    monkeypatch.setattr(access, "container", lambda: "/.dockerenv; not the first pid namespace")
    for code in (errno.EPERM, errno.EROFS):
        reason, fix = access.explain(KNOB, refusal(code))
        assert "/.dockerenv" in reason and "on the host" in fix


@pytest.mark.parametrize(
    ("first", "marks", "said"),
    [
        ({"cgroup": True, "pid": True, "user": True}, [], None),
        # A disk made from a container's image, as many VMs have: no container.
        ({"cgroup": True, "pid": True, "user": True}, ["/.dockerenv"], None),
        ({"cgroup": True, "pid": False, "user": True}, ["/.dockerenv"], "first pid namespace"),
        # A shell below `unshare --pid`.
        ({"cgroup": True, "pid": False, "user": True}, [], None),
        ({"cgroup": False, "pid": False, "user": False}, [], "user namespace"),
    ],
)
def test_container(first, marks, said, monkeypatch):
    monkeypatch.setattr(access, "namespaces", lambda: first)
    monkeypatch.setattr(access, "container_marks", lambda: marks)
    found = access.container()
    assert (found is None) if said is None else said in found


def test_a_closed_directory_is_not_an_exception(tmp_path, monkeypatch):
    """Path.exists() raises PermissionError there: a user's probe once ended in a traceback."""

    def closed(self: Path, **_: object) -> os.stat_result:
        raise refusal(errno.EACCES)

    monkeypatch.setattr(Path, "stat", closed)
    assert not access.reachable(tmp_path / "closed" / "file")


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A cgroup v2 in a directory: `group(file=text)` adds files."""

    def put(**files: str) -> None:
        for name, words in files.items():
            (tmp_path / name.replace("_", ".", 1)).write_text(words + "\n")

    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    return put


def test_no_memory_cgroup(group):
    assert "cgroup v2 is not mounted" in access.no_memory_cgroup()[0]
    group(cgroup_controllers="cpu io")
    assert access.no_memory_cgroup()[0] == "this machine's cgroups have no memory controller"
    group(cgroup_controllers="cpu memory", cgroup_subtree_control="", cgroup_procs="1")
    assert access.no_memory_cgroup() is None


def test_a_containers_cgroup_that_holds_processes_hands_nothing_on(group):
    group(cgroup_controllers="memory", cgroup_subtree_control="", cgroup_procs="1\n2")
    group(cgroup_type="domain")
    reason, fix = access.no_memory_cgroup()
    assert "holds processes" in reason and "on the host" in fix
    group(cgroup_subtree_control="memory")  # as systemd leaves it in a container
    assert access.no_memory_cgroup() is None


def test_no_tracefs(tmp_path, root, monkeypatch):
    monkeypatch.setattr(access, "TRACEFS", (tmp_path,))
    root("none integrity [confidentiality]")
    reason, fix = access.no_tracefs()
    assert reason == "tracefs is not mounted" and f"mount -t tracefs tracefs {tmp_path}" in fix
    monkeypatch.setattr(Path, "is_mount", lambda self: True)
    reason, fix = access.no_tracefs()  # a kernel so locked down makes no files in it
    assert "locked down (confidentiality)" in reason and "Secure Boot" in fix
    (tmp_path / "instances").mkdir()
    assert access.no_tracefs() is None


@pytest.mark.parametrize("name", ["mglru", "reclaim", "folio-referenced"])
def test_missing_pieces_are_told_in_the_order_in_which_they_are_mended(name, tmp_path, monkeypatch):
    """With everything else there, a debugfs that is not mounted is what these three lack."""
    module = __import__(TRACKERS[name].__module__, fromlist=["x"])
    there = tmp_path / "enabled"
    there.write_text("0")
    for knob in ("ENABLED", "LRU_GEN"):
        if hasattr(module, knob):
            monkeypatch.setattr(module, knob, there)
    for check in ("no_memory_cgroup", "no_frames"):
        if hasattr(module, check):
            monkeypatch.setattr(module, check, lambda: None)
    if hasattr(module, "refused"):
        monkeypatch.setattr(module, "refused", lambda *_: None)
    monkeypatch.setattr(access, "DEBUGFS", tmp_path)
    found = TRACKERS[name](Undo(tmp_path)).probe(complete(TRACKERS[name], {}))
    assert not found.available and found.reason and found.fix
    assert found.reason == "debugfs is not mounted" and f"mount -t debugfs debugfs {tmp_path}" in (
        found.fix
    )
