"""The module hotkit_kernel on a fake root tree: what it refuses, and what it leaves alone.

What it does with dpkg is tested on a real machine (tests/lab/test_kernel.py); here no package may
be installed or removed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_hotkit_entry import FakeHost

RELEASE = "6.1.192-hotkit-lab-0123456789ab"
VMLINUZ, DEB = b"a kernel", b"a package"
STATE = "/var/lib/hotkit/state.json"
PACKAGE = "/var/tmp/hotkit-kernel.deb"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    found = FakeHost(tmp_path)
    found.path("/var/tmp").mkdir()
    return found


def plan(host: FakeHost) -> dict[str, Any]:
    return host.plan(
        kernel={
            "release": RELEASE,
            "build_id": "ab" * 20,
            "vmlinuz_sha256": sha256(VMLINUZ),
            "boot_bytes": 1 << 20,
            "packages": {"deb": {"file": "kernel.deb", "sha256": sha256(DEB)}},
        }
    )


def put(host: FakeHost, vmlinuz: bytes = VMLINUZ, *, initrd: bool = True) -> None:
    folder = host.path("/boot/hotkit")
    folder.mkdir()
    (folder / f"vmlinuz-{RELEASE}").write_bytes(vmlinuz)
    if initrd:
        (folder / f"initrd.img-{RELEASE}").write_bytes(b"an initramfs")


def kernel(host: FakeHost, step: str, wanted: dict[str, Any] | None = None, **more: Any) -> Any:
    if step == "install":
        more["package"] = PACKAGE
    return host.step(step, wanted, module="hotkit_kernel", **more)


def owned(host: FakeHost, *releases: str) -> None:
    """A journal that says that hotkit installed these kernels."""
    host.step("stage", host.plan())
    state = host.path(STATE)
    state.write_text(json.dumps(json.loads(state.read_text()) | {"kernels": list(releases)}))


def runs(host: FakeHost, release: str) -> None:
    host.path("/proc/sys/kernel/osrelease").write_text(release + "\n")


def test_a_whole_kernel_is_found(host: FakeHost) -> None:
    wanted = plan(host)
    assert not kernel(host, "look", wanted)["installed"]
    put(host)
    for step in ("look", "install"):
        found = kernel(host, step, wanted)
        assert found["installed"] and not found["changed"]
    assert not host.path(STATE).exists()


@pytest.mark.parametrize("half", [{"vmlinuz": b"another build"}, {"initrd": False}])
def test_half_a_kernel_is_none(host: FakeHost, half: dict[str, Any]) -> None:
    put(host, **half)
    assert not kernel(host, "look", plan(host))["installed"]


def test_another_package_is_refused(host: FakeHost) -> None:
    """Cut off on its way, or not the one that was approved: nothing is installed or noted."""
    wanted = plan(host)
    for data in (b"half a pack", None):
        if data:
            host.path(PACKAGE).write_bytes(data)
        else:
            host.path(PACKAGE).unlink()
        before = host.snapshot()
        refused = kernel(host, "install", wanted)
        assert refused["failed"] and "not the package that was planned" in refused["msg"]
        assert {name: host.snapshot().get(name) for name in before} == before
        assert not host.path(STATE).exists()


def test_check_mode_tells_and_does_nothing(host: FakeHost) -> None:
    wanted = plan(host)
    before = host.snapshot()
    assert kernel(host, "install", wanted, check_mode=True)["changed"]
    assert host.snapshot() == before


def test_only_what_hotkit_installed_is_removed(host: FakeHost) -> None:
    runs(host, RELEASE)
    assert not kernel(host, "remove")["changed"]
    assert not host.path("/var/lib/hotkit").exists()


def test_the_running_kernel_stays(host: FakeHost) -> None:
    owned(host, RELEASE)
    runs(host, RELEASE)
    assert host.restore()["kernels_left"]
    found = kernel(host, "remove")
    assert found["pending"] and not found["changed"] and "runs here" in found["notes"][0]
    assert json.loads(host.path(STATE).read_text())["kernels"] == [RELEASE]


def test_a_package_that_is_gone_is_forgotten(host: FakeHost) -> None:
    owned(host, RELEASE)
    runs(host, "6.1.0-56-cloud-amd64")
    host.restore()
    assert kernel(host, "remove", check_mode=True)["changed"]
    assert host.path(STATE).exists()
    assert kernel(host, "remove")["changed"]
    assert not host.path("/var/lib/hotkit").exists()
