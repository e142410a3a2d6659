"""The patched kernel that a host is to boot: where it lies, what it is told, what is recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.kernelwish import KernelWish, package_kind
from tests.unit.core.test_preflight import layout

WISH = KernelWish(
    release="6.1.0-hotkit", build_id="ab", vmlinuz_sha256="cd", boot_bytes=5,
    packages={"deb": {"file": "k.deb", "sha256": "ef"}}, init_bytes=9,
)  # fmt: skip


def test_where_it_lies_and_what_comes_back():
    assert WISH.vmlinuz == "/boot/hotkit/vmlinuz-6.1.0-hotkit"
    assert WISH.initrd == "/boot/hotkit/initrd.img-6.1.0-hotkit"
    written = WISH.to_dict()
    assert KernelWish.from_dict(written) == WISH
    del written["init_bytes"]  # an older record
    assert KernelWish.from_dict(written).init_bytes == 0


def test_only_remote_dram_must_be_called_slow():
    assert WISH.arguments(layout()) == ("hotkit.cpuless_lower_tier=1",)
    assert WISH.arguments(layout(slow={"pmem": True, "size": "4G"})) == ()
    fast = [node for node in layout().nodes if node.role != "slow"]
    assert WISH.arguments(replace(layout(), nodes=tuple(fast))) == ()


@pytest.mark.parametrize(
    ("release", "kind"),
    [
        ({"ID": "debian"}, "deb"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "rpm"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "rpm"),
        ({}, "deb"),
    ],
)
def test_kind_of_package(release, kind):
    assert package_kind(release) == kind


def test_what_is_recorded():
    assert WISH.to_dict() == {
        "release": "6.1.0-hotkit",
        "build_id": "ab",
        "vmlinuz_sha256": "cd",
        "boot_bytes": 5,
        "init_bytes": 9,
        "packages": {"deb": {"file": "k.deb", "sha256": "ef"}},
    }


@pytest.mark.parametrize("family", ["rhel", "fedora", "centos", "suse", "opensuse", "sles"])
def test_each_family_with_rpm_by_its_own_name_and_by_whom_it_is_like(family):
    assert package_kind({"ID": family}) == "rpm"
    assert package_kind({"ID_LIKE": f"some {family}"}) == "rpm"
    assert package_kind({"ID": "debian", "ID_LIKE": family.upper()}) == "deb"
