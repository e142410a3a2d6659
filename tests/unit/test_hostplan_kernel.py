"""A host that is to boot a kernel of `hotkit kernel build`: entry, steps left, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.core.kernelwish import KernelWish, package_kind
from hotkit.hostplan import plan_host

DATA = Path(__file__).parents[1] / "data" / "facts"
PROFILE = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}
RELEASE = "6.1.192-hotkit-lab-0123456789ab"
WISH = KernelWish(
    release=RELEASE, build_id="ab" * 20, vmlinuz_sha256="cd" * 32, boot_bytes=10 << 20,
    packages={"deb": {"file": "k.deb", "sha256": "ef" * 32}},
).to_dict()  # fmt: skip


@pytest.fixture
def facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "lab-small-stock.json").read_text())
    return found


def plan(facts: dict[str, Any], kernel: Any = WISH) -> dict[str, Any]:
    wishes = {"hotkit_profile": PROFILE, "hotkit_kernel": kernel}
    return plan_host(facts, wishes, host="m1").to_dict()


def test_its_own_kernel_and_initramfs(facts: dict[str, Any]) -> None:
    found = plan(facts)
    assert found["refusals"] == []
    (file,) = found["files"]
    assert f"linux /boot/hotkit/vmlinuz-{RELEASE}" in file["text"]
    assert f"initrd /boot/hotkit/initrd.img-{RELEASE}" in file["text"]
    assert found["cmdline"].startswith(f"BOOT_IMAGE=/boot/hotkit/vmlinuz-{RELEASE} ")
    # Remote DRAM is what the profile has for a slow tier: it becomes one.
    assert found["cmdline"].split()[-1] == "hotkit.cpuless_lower_tier=1"
    assert found["kernel_release"] == RELEASE and found["kernel_package"] == "deb"
    assert KernelWish.from_dict(found["kernel_build"]).to_dict() == WISH
    assert found["left"] == ["kernel", "entry", "arm", "reboot", "confirm", "verify"]
    json.dumps(found)


def test_installed_already(facts: dict[str, Any]) -> None:
    facts["boot"]["kernels"].append(f"/boot/hotkit/vmlinuz-{RELEASE}")
    assert plan(facts)["left"][0] == "entry"


def test_none_is_built(facts: dict[str, Any]) -> None:
    found = plan(facts, {"problem": "no kernel of kind lab is built", "hint": "build one"})
    assert [item["message"] for item in found["refusals"]] == ["no kernel of kind lab is built"]
    assert found["refusals"][0]["hint"] == "build one"


def test_no_room_for_it(facts: dict[str, Any]) -> None:
    facts["boot"]["free_bytes"] = 40 << 20
    (refusal,) = plan(facts)["refusals"]
    assert refusal["step"] == "space" and "its initramfs may take 74 MiB" in refusal["message"]
    facts["boot"]["kernels"].append(f"/boot/hotkit/vmlinuz-{RELEASE}")
    assert plan(facts)["refusals"] == []


def test_secure_boot_takes_no_unsigned_kernel(facts: dict[str, Any]) -> None:
    facts["secure_boot"] = True
    (refusal,) = plan(facts)["refusals"]
    assert refusal["step"] == "secure-boot" and "not signed" in refusal["message"]
    assert plan(facts, None)["refusals"] == []


def test_the_defaults_method_cannot_name_a_kernel(facts: dict[str, Any]) -> None:
    wishes = {"hotkit_profile": PROFILE, "hotkit_kernel": WISH, "hotkit_entry_method": "defaults"}
    found = plan_host(facts, wishes, host="m1").to_dict()
    assert "cannot name a kernel" in found["refusals"][0]["message"]


@pytest.mark.parametrize(
    ("os_release", "kind"),
    [
        ({"ID": "debian"}, "deb"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "deb"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "rpm"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "rpm"),
        ({}, "deb"),
    ],
)
def test_kind_of_package(os_release: dict[str, str], kind: str) -> None:
    assert package_kind(os_release) == kind
