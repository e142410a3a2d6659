"""What kvm-dirty says of a machine: files of sysfs and /dev stand for machines that we have not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from hotkit.agent.trackers import kvm_dirty
from hotkit.agent.trackers.base import complete
from hotkit.agent.trackers.kvm_dirty import KvmDirty, mechanism, no_kvm, no_ptrace
from hotkit.agent.undo import Undo

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="gives up rights, makes devices: root only")


@pytest.mark.parametrize(
    ("intel", "amd", "said"),
    [
        ("Y", None, "PML"),
        ("N", None, "write protection"),
        (None, "Y", "PML"),
        (None, "1", "PML"),
        (None, "N", "write protection"),
        (None, None, "write protection"),
    ],
)
def test_the_mechanism_is_the_modules_parameter(intel, amd, said, tmp_path, monkeypatch):
    """A kvm_amd without the parameter has no PML, nor has a KVM that is neither."""
    paths = (tmp_path / "intel", tmp_path / "amd")
    for path, text in zip(paths, (intel, amd), strict=True):
        if text is not None:
            path.write_text(text + "\n")
    monkeypatch.setattr(kvm_dirty, "PML", paths)
    assert mechanism() == said


def test_no_device(tmp_path, monkeypatch):
    monkeypatch.setattr(kvm_dirty, "KVM", tmp_path / "kvm")
    reason, fix = no_kvm()
    assert reason == f"there is no {tmp_path}/kvm"
    assert "modprobe kvm_intel (or kvm_amd)" in fix and "nested" in fix


@AS_ROOT
def test_a_device_without_its_module(tmp_path, monkeypatch):
    node = tmp_path / "kvm"
    os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(10, 253))
    monkeypatch.setattr(kvm_dirty, "KVM", node)
    reason, fix = no_kvm()
    assert reason == f"{node}: No such device"
    assert fix.startswith("modprobe kvm_intel")


def test_a_device_that_is_another(tmp_path, monkeypatch):
    node = tmp_path / "kvm"
    node.symlink_to("/dev/null")
    monkeypatch.setattr(kvm_dirty, "KVM", node)
    reason, _ = no_kvm()
    assert reason == f"{node}: Inappropriate ioctl for device"


def test_tracing_forbidden_until_the_next_boot(tmp_path, monkeypatch):
    scope = tmp_path / "ptrace_scope"
    scope.write_text("3\n")
    monkeypatch.setattr(kvm_dirty, "PTRACE_SCOPE", str(scope))
    reason, fix = no_ptrace()
    assert reason == f"{scope} is 3: nobody may trace a process until the next boot"
    assert fix == "boot without kernel.yama.ptrace_scope=3 in /etc/sysctl.d"


@AS_ROOT
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], None),
        (
            ["--bounding-set=-sys_ptrace"],
            (
                "root here lacks CAP_SYS_PTRACE",
                "measure on the host, or start the container with --privileged",
            ),
        ),
        (
            ["--reuid=65534", "--regid=65534", "--clear-groups"],
            ("a VM's process is traced by root (CAP_SYS_PTRACE)", "run as root"),
        ),
    ],
)
def test_the_right_to_trace(words, said):
    # In a child: one's own rights do not come back. It imports before it is another user.
    code = (
        "import os, sys\n"
        "from hotkit.agent.trackers.kvm_dirty import no_ptrace\n"
        "if '--reuid=65534' in sys.argv: os.setuid(65534)\n"
        "print(repr(no_ptrace()))\n"
    )
    drop = ["setpriv", *words] if words == ["--bounding-set=-sys_ptrace"] else []
    done = subprocess.run(
        [*drop, sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == repr(said)


def test_another_architecture_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    probe = KvmDirty(Undo(tmp_path)).probe(complete(KvmDirty, {}))
    assert not probe.available
    assert "aarch64" in str(probe.reason) and "softdirty" in str(probe.fix)


def test_facts_before_a_run_are_of_the_machine_alone(tmp_path):
    tracker = KvmDirty(Undo(tmp_path))
    assert tracker.facts() == {"mechanism": mechanism(), "protect": "unknown"}
    assert tracker.samples().extra == {}
