"""The patched kernel that a host is to boot: where it lies, what it is told, what is recorded."""

from __future__ import annotations

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
