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
    ("flag", "intel", "amd", "said"),
    [
        ("vmx", "Y", None, "PML"),
        ("vmx", "N", None, "write protection"),
        ("vmx", "N", "Y", "write protection"),
        ("svm", None, "Y", "PML"),
        ("svm", None, "1", "PML"),
        ("svm", None, "N", "write protection"),
        # Both built in: the other's parameter says nothing about this CPU.
        ("svm", "Y", None, "write protection"),
        ("", "Y", None, "write protection"),
    ],
)
def test_the_mechanism_is_the_parameter_of_the_cpus_module(flag, intel, amd, said, tmp_path):
    for module, value in (("kvm_intel", intel), ("kvm_amd", amd)):
        if value is not None:
            folder = tmp_path / "sys/module" / module / "parameters"
            folder.mkdir(parents=True)
            (folder / "pml").write_text(value + "\n")
    (tmp_path / "proc").mkdir()
    rows = f"processor\t: 0\nflags\t\t: fpu {flag} sse\nvmx flags\t: vnmi\n"
    (tmp_path / "proc/cpuinfo").write_text(rows)
    assert mechanism(tmp_path) == said


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
