"""The real agent's probe on this machine, as root and not, with and without debugfs and tracefs.

Whatever this machine's kernel has: what does not work is told in one line with its fix, nothing
ends in a traceback, and asking leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.undo import state_directory
from hotkit.host.zipapp import build_agent

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changes namespaces and users: root only")

# The system's own Python: a user cannot read a virtual environment in root's home.
PYTHON = "/usr/bin/python3"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
KDAMONDS = Path("/sys/kernel/mm/damon/admin/kdamonds")
UNMOUNT = (
    "for at in /sys/kernel/debug/tracing /sys/kernel/tracing /sys/kernel/debug; do"
    " while umount $at 2>/dev/null; do :; done; done; "
)
MOUNT = (
    "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug;"
    " mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; "
)


@pytest.fixture(scope="module")
def agent():
    """The zipapp where every user can read it: pytest's own directories are closed."""
    with tempfile.TemporaryDirectory(prefix="hotkit-test-") as name:
        Path(name).chmod(0o755)
        path = Path(shutil.copy(build_agent().path, name))
        path.chmod(0o755)
        yield path


@pytest.fixture(autouse=True)
def nobody_measures():
    """Other tests measure on this machine at the same time: hold the lock that agents wait for."""
    folder = state_directory()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "measuring.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def in_namespace(setup: str, argv: list[str]) -> list[str]:
    """`argv` after `setup`, in a mount namespace of its own."""
    return ["unshare", "--mount", "sh", "-c", f'{setup} exec "$@"', "sh", *argv]


def traces() -> dict[str, object]:
    """What a tracker that is half started would leave."""
    listed = subprocess.run(
        in_namespace(MOUNT, ["ls", "/sys/kernel/tracing/instances"]),
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    kprobes = subprocess.run(
        in_namespace(MOUNT, ["sh", "-c", "cat /sys/kernel/tracing/kprobe_events 2>/dev/null"]),
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    knob = KDAMONDS / "nr_kdamonds"
    undo = [state_directory() / "undo.jsonl", Path(tempfile.gettempdir(), "hotkit-agent-65534")]
    return {
        "cgroups": sorted(map(str, Path("/sys/fs/cgroup").glob("hotkit*"))),
        "instances": [name for name in listed if "hotkit" in name],
        "kprobes": [line for line in kprobes.splitlines() if "hotkit" in line],
        "kdamonds": knob.read_text() if knob.exists() else None,
        "balancing": _text("/proc/sys/kernel/numa_balancing"),
        "lru_gen": _text("/sys/kernel/mm/lru_gen/enabled"),
        "undo": [str(path) for path in undo if path.exists()],
    }


def _text(path: str) -> str | None:
    file = Path(path)
    return file.read_text() if file.exists() else None


def probe(argv: list[str]) -> dict[str, dict[str, object]]:
    """The agent's verdicts by tracker, each in the form that is owed to a reader."""
    before = traces()
    done = subprocess.run(
        argv, input="[]\n", capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["type"] for event in events] == ["hello"] + ["probe"] * len(TRACKERS)
    for event in events[1:]:
        if event["available"]:
            assert event["reason"] is None and event["fix"] is None
            continue
        for words in (event["reason"], event["fix"]):
            assert words and "\n" not in words and "None" not in words, event
            assert "Traceback" not in words and "Errno" not in words, event
    assert traces() == before
    return {event["tracker"]: event for event in events[1:]}


def test_as_root(agent):
    found = probe([PYTHON, str(agent), "probe"])
    assert set(found) == set(TRACKERS)
    assert found["none"]["available"]
    # Never for want of rights: we are root.
    assert "run as root" not in {event["fix"] for event in found.values()}


def test_as_a_user(agent):
    found = probe([*NOBODY, PYTHON, str(agent), "probe"])
    assert found["none"]["available"]
    if KDAMONDS.is_dir():
        assert found["damon"]["fix"] == "run as root"
        assert "Permission denied" in str(found["damon"]["reason"])


def test_as_a_user_where_debugfs_is_mounted(agent):
    """Its directory is closed to users, and Path.exists() raises in it: no traceback for that."""
    found = probe(in_namespace(MOUNT, [*NOBODY, PYTHON, str(agent), "probe"]))
    event = found["folio-referenced"]
    assert (event["reason"], event["fix"]) == (
        "/sys/kernel/debug: Permission denied", "run as root"
    )  # fmt: skip


def test_without_debugfs_and_tracefs(agent):
    found = probe(in_namespace(UNMOUNT, [PYTHON, str(agent), "probe"]))
    event = found["folio-referenced"]
    assert event["reason"] == "debugfs is not mounted"
    assert "mount -t debugfs debugfs /sys/kernel/debug" in str(event["fix"])


def test_with_debugfs_and_tracefs(agent):
    """What is then still missing is a kernel that has it, or lets us."""
    found = probe(in_namespace(MOUNT, [PYTHON, str(agent), "probe"]))
    for event in found.values():
        assert "is not mounted" not in str(event["reason"]).replace("cgroup v2 is not mounted", "")


def test_a_locked_down_kernel_is_told_as_such(agent):
    """On this machine's real lockdown, if it has one; the rules themselves are a unit test."""
    security = (
        "mountpoint -q /sys/kernel/security ||"
        " mount -t securityfs securityfs /sys/kernel/security 2>/dev/null; "
    )
    said = subprocess.run(
        in_namespace(security, ["sh", "-c", "cat /sys/kernel/security/lockdown 2>/dev/null"]),
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    if not said or "[none]" in said or not Path("/proc/sys/kernel/numa_balancing").exists():
        pytest.skip("hardware: no kernel here that is locked down and has NUMA balancing")
    event = probe(in_namespace(MOUNT + security, [PYTHON, str(agent), "probe"]))["numa-hint"]
    assert not event["available"]
    assert "locked down" in str(event["reason"]) and "Secure Boot" in str(event["fix"])


def test_without_cgroup_v2(agent):
    """An empty file system in its place, as cgroup v1's is one: nothing at all is made in it."""
    hidden = "mount -t tmpfs tmpfs /sys/fs/cgroup; "
    found = probe(in_namespace(hidden, [PYTHON, str(agent), "probe"]))
    event = found["reclaim"]
    assert event["reason"] == "cgroup v2 is not mounted at /sys/fs/cgroup"
    assert "unified_cgroup_hierarchy" in str(event["fix"])


def test_read_only_knobs(agent):
    """As an unprivileged container has them."""
    closed = (
        "mount -o remount,bind,ro /sys; mount --bind /proc/sys /proc/sys;"
        " mount -o remount,bind,ro /proc/sys; "
    )
    found = probe(in_namespace(MOUNT + closed, [PYTHON, str(agent), "probe"]))
    if KDAMONDS.is_dir():
        assert "Read-only file system" in str(found["damon"]["reason"])
    if Path("/proc/sys/kernel/numa_balancing").exists():
        assert "Read-only file system" in str(found["numa-hint"]["reason"])


def test_in_a_user_namespace(agent):
    """Root of a container only: the reason names the container, the fix leads out of it."""
    inside = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    tried = subprocess.run([*inside, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"hardware: no user namespace here, as in a chroot: {tried.stderr.strip()}")
    found = probe([*inside, PYTHON, str(agent), "probe"])
    event = found["folio-referenced"]
    assert not event["available"] and "on the host" in str(event["fix"])


def test_doctor_asks_and_leaves_nothing(agent):
    before = traces()
    for argv in (
        [PYTHON, str(agent), "doctor"],
        [*NOBODY, PYTHON, str(agent), "doctor"],
        in_namespace(MOUNT, [*NOBODY, PYTHON, str(agent), "doctor"]),
        in_namespace(UNMOUNT, [PYTHON, str(agent), "doctor"]),
    ):
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=120, check=False, input=""
        )
        assert (done.returncode, done.stderr) == (0, "")
        hello, event = map(json.loads, done.stdout.splitlines())
        assert hello["type"] == "hello" and event["doctor"]["schema_version"] == 1
    assert event["doctor"]["debugfs"][0] == "debugfs is not mounted"
    assert traces() == before
